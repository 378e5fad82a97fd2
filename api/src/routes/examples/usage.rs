//! Examples of what was used.

use serde_json::{Value, json};

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "getUsage" => Examples::json(200, usage()),
        _ => return None,
    })
}

fn usage() -> Value {
    let counts = json!({
        "requests": 42, "succeeded": 40, "failed": 1, "units": 80, "tokens": 1140, "compute_ms": 310.5,
    });
    let hour = json!({"used": 45, "limit": 1000, "remaining": 955});
    json!({
        "object": "usage",
        "plan": "basic",
        "used_this_hour": 45,
        "limit": 1000,
        "remaining": 955,
        "this_hour": hour,
        "today": {"used": 45, "limit": 10_000, "remaining": 9955},
        "waiting": {"used": 2, "limit": 200, "remaining": 198},
        "running": {"used": 1, "limit": 8},
        "from": "2026-01-30T13:00:00.000Z",
        "to": "2026-01-31T12:30:00.000Z",
        "grain": "hour",
        "totals": counts,
        "data": [{"starts_at": "2026-01-31T12:00:00.000Z", "used": counts}],
    })
}
