//! Examples of logging in and out.

use serde_json::{Value, json};

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "createSession" => {
            let mut session = session();
            session["restored"] = true.into();
            Examples::json(201, session)
                .asked(json!({"email": "ada@example.org", "password": "nine copper lanterns"}))
        }
        "getSession" => Examples::json(200, session()),
        "listSessions" => Examples::list(session_item()),
        "deleteSession" => Examples::empty(204, "DELETE /v1/session"),
        "endSession" => Examples::empty(204, "DELETE /v1/sessions/ses_01ke1c2v7h8q9r0s1t2v3w4x5y"),
        "endSessions" => Examples::empty(204, "DELETE /v1/sessions?keep_current=true"),
        _ => return None,
    })
}

fn session() -> Value {
    json!({
        "id": "ses_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "session",
        "user": {
            "id": "user_01ke1bzz4m3n2p1q0r9s8t7v6w",
            "email": "ada@example.org",
            "role": "user",
            "display_name": "Ada",
            "locale": "en",
            "plan": "basic",
        },
        "created_at": "2026-01-31T12:00:00.000Z",
        "authenticated_at": "2026-01-31T12:00:00.000Z",
        "expires_at": "2026-02-07T12:00:00.000Z",
    })
}

fn session_item() -> Value {
    json!({
        "id": "ses_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "session",
        "current": true,
        "created_at": "2026-01-31T12:00:00.000Z",
        "authenticated_at": "2026-01-31T12:00:00.000Z",
        "last_used_at": "2026-01-31T12:20:00.000Z",
        "expires_at": "2026-02-07T12:00:00.000Z",
        "address": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
    })
}
