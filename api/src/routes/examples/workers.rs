//! Examples of the operations on workers.

use serde_json::{Value, json};

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listWorkers" => Examples::list(worker("active")),
        "getWorker" | "resumeWorker" => Examples::json(200, worker("active")),
        "drainWorker" => Examples::json(200, worker("draining")),
        "maintainWorker" => Examples::json(200, worker("maintenance")),
        _ => return None,
    })
}

fn worker(state: &str) -> Value {
    let in_memory = state != "maintenance";
    let mut model = json!({
        "id": "minilm",
        "status": if in_memory { "ready" } else { "unloaded" },
        "version": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    });
    if in_memory {
        model["memory_bytes"] = 147_139_902.into();
    }
    json!({
        "id": "worker_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "worker",
        "name": "lamp-1",
        "host": "lamp-1.example",
        "version": env!("CARGO_PKG_VERSION"),
        "state": state,
        "device": "cuda:0",
        "memory": {"budget_bytes": 17_179_869_184_u64, "used_bytes": if in_memory { 147_139_902 } else { 0 }},
        "in_flight": if in_memory { 3 } else { 0 },
        "models": [model],
        "started_at": "2026-01-31T08:00:00.000Z",
        "last_seen_at": "2026-01-31T12:00:00.000Z",
    })
}
