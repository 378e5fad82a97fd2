//! Examples of the operations on queues.

use serde_json::{Value, json};

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listQueues" => Examples::list(queue()),
        _ => return None,
    })
}

fn queue() -> Value {
    json!({
        "model": "minilm",
        "object": "queue",
        "depth": 42,
        "depth_by_priority": {"low": 30, "normal": 12, "high": 0},
        "oldest_seconds": 3.2,
        "in_flight": 8,
        "service_rate": 55.4,
        "workers": 1,
        "eta_seconds": 0.2,
    })
}
