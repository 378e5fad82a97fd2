//! Examples of the operations on one's own account.

use serde_json::{Value, json};

use super::Examples;

const IDENTITY: &str = "idn_5c1f0e9b7a3d42d8b6e1a90c2f7d8e34";

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "getAccount" => Examples::json(200, account()),
        "updateAccount" => {
            Examples::json(200, account()).asked(json!({"display_name": "Ada L.", "locale": "ja"}))
        }
        "changePassword" => Examples::empty(204, "POST /v1/account/password").asked(json!({
            "current_password": "seven quiet otters row home",
            "new_password": "eight loud herons fly south",
        })),
        "deleteIdentity" => Examples::empty(204, format!("DELETE /v1/account/identities/{IDENTITY}")),
        "deleteAccount" => Examples::json(202, json!({"deletes_at": "2026-02-07T12:00:00.000Z"})),
        _ => return None,
    })
}

fn account() -> Value {
    json!({
        "id": "user_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "account",
        "email": "ada@example.org",
        "verified": true,
        "role": "user",
        "plan": "basic",
        "display_name": "Ada",
        "locale": "en",
        "has_password": true,
        "identities": [{
            "id": IDENTITY,
            "issuer": "https://accounts.google.com",
            "email": "ada@example.org",
            "created_at": "2026-01-31T12:03:00.000Z",
        }],
        "created_at": "2026-01-31T12:00:00.000Z",
        "last_login_at": "2026-01-31T12:05:00.000Z",
        "last_login_address": "192.0.2.7",
    })
}
