//! Examples of the operations on tokens.

use serde_json::{Value, json};

use super::{Examples, TOKEN};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "createToken" => Examples::json(201, made()).asked(json!({
            "name": "nightly batch",
            "scopes": ["jobs:write", "jobs:read"],
            "models": ["minilm"],
            "expires_in_seconds": 7_776_000,
        })),
        "rotateToken" => Examples::json(201, made()).asked(json!({"overlap_seconds": 3600})),
        "listTokens" => Examples::list(token()),
        "getToken" => Examples::json(200, used()),
        "getOwnToken" => Examples::json(200, own_token()),
        "revokeToken" => Examples::empty(204, format!("POST /v1/tokens/{TOKEN}/revoke")),
        "deleteToken" => Examples::empty(204, format!("DELETE /v1/tokens/{TOKEN}")),
        _ => return None,
    })
}

/// A token that was just made: its text is shown.
fn made() -> Value {
    let mut made = token();
    made["token"] = "lmp_v4.local.bm90IGEgdG9rZW4sIGJ1dCBhbiBleGFtcGxl_0a1B2c".into();
    made
}

/// A token with what was used.
fn used() -> Value {
    let counts = json!({
        "requests": 42, "succeeded": 40, "failed": 1, "units": 80, "tokens": 1140, "compute_ms": 310.5,
    });
    let mut used = token();
    used["usage"] = json!({
        "used_this_hour": 5,
        "used_today": 42,
        "totals": counts,
        "data": [{"starts_at": "2026-01-31T00:00:00.000Z", "used": counts}],
    });
    used
}

fn token() -> Value {
    json!({
        "id": TOKEN,
        "object": "token",
        "name": "nightly batch",
        "last4": "1B2c",
        "scopes": ["jobs:write", "jobs:read"],
        "models": ["minilm"],
        "status": "active",
        "created_at": "2026-01-31T12:00:00.000Z",
        "expires_at": "2026-05-01T12:00:00.000Z",
    })
}

fn own_token() -> Value {
    json!({
        "id": TOKEN,
        "object": "token",
        "name": "nightly batch",
        "scopes": ["jobs:write", "jobs:read"],
        "models": ["minilm"],
        "expires_at": "2026-05-01T12:00:00.000Z",
        "user": "user_01ke1b0000000000000000000a",
        "plan": "basic",
    })
}
