//! Examples of the operations on invitations.

use serde_json::{Value, json};

use super::{Examples, SECRET};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listInvitations" => Examples::list(invitation()),
        "createInvitation" => {
            let mut made = invitation();
            made["token"] = SECRET.into();
            Examples::json(201, made).asked(json!({
                "email": "grace@example.org", "role": "user", "plan": "pro", "expires_in_seconds": 604_800,
            }))
        }
        "revokeInvitation" => Examples::empty(204, "DELETE /v1/invitations/inv_01ke1c2v7h8q9r0s1t2v3w4x5y"),
        _ => return None,
    })
}

fn invitation() -> Value {
    json!({
        "id": "inv_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "object": "invitation",
        "email": "grace@example.org",
        "role": "user",
        "plan": "pro",
        "created_by": "user_01ke1c2v7h8q9r0s1t2v3w4x5y",
        "created_at": "2026-01-31T12:00:00.000Z",
        "expires_at": "2026-02-07T12:00:00.000Z",
    })
}
