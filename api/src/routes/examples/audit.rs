//! Examples of the audit log.

use serde_json::{Value, json};

use super::{Examples, USER};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listAudit" => Examples::list(audit_entry()),
        _ => return None,
    })
}

fn audit_entry() -> Value {
    json!({
        "id": "aud_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "audit_entry",
        "at": "2026-01-31T12:00:00.000Z",
        "action": "plan.assign",
        "outcome": "success",
        "actor": {"kind": "user", "id": "user_01ke1bzy0a1b2c3d4e5f6g7h8j"},
        "user": USER,
        "subject": USER,
        "address": "192.0.2.1",
        "request_id": "req_019bc0c16ce17a3c8e4b1f0e6c3a5d27",
        "detail": {"from": "basic", "to": "pro"},
    })
}
