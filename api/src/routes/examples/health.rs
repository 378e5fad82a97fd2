//! Examples of the health checks.

use serde_json::json;

use super::{Examples, JSON};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "getHealth" => Examples::json(200, json!({"status": "ok"})),
        "getReadiness" => {
            let checks = |database| json!({"database": database, "redis": "ok"});
            let unavailable = json!({"status": "unavailable", "checks": checks("unavailable")});
            Examples::json(200, json!({"status": "ready", "checks": checks("ok")})).or(503, JSON, unavailable)
        }
        _ => return None,
    })
}
