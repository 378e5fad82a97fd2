//! Examples of the operations on tokens of others.

use serde_json::{Value, json};

use super::{Examples, TOKEN, USER};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listUserTokens" => Examples::list(user_token()),
        "limitUserToken" => {
            Examples::json(200, user_token()).asked(json!({"plan": "pro", "limits": {"jobs_per_day": 500}}))
        }
        "revokeUserToken" => Examples::empty(204, format!("POST /v1/users/{USER}/tokens/{TOKEN}/revoke")),
        _ => return None,
    })
}

fn user_token() -> Value {
    json!({
        "id": TOKEN,
        "object": "user_token",
        "name": "laptop",
        "scopes": ["jobs:read", "jobs:write"],
        "plan": "pro",
        "limits": {"jobs_per_day": 500},
        "created_at": "2026-01-30T09:10:00.000Z",
        "expires_at": "2026-03-01T09:10:00.000Z",
        "last_used_at": "2026-01-31T12:00:00.000Z",
        "last_used_address": "192.0.2.7",
    })
}
