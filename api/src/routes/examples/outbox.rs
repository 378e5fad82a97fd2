//! Examples of the outbox.

use serde_json::{Value, json};

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listOutbox" => Examples::list(mail("dead")),
        "retryMail" => Examples::json(200, mail("queued")),
        _ => return None,
    })
}

fn mail(state: &str) -> Value {
    json!({
        "id": "task_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "mail",
        "template": "verify_address",
        "recipient": "ada@example.org",
        "locale": "en",
        "state": state,
        "attempts": if state == "dead" { 10 } else { 0 },
        "created_at": "2026-01-31T12:00:00.000Z",
        "run_at": "2026-01-31T20:32:10.000Z",
        "last_error": "the mail server said 550: 5.1.1 no such user",
    })
}
