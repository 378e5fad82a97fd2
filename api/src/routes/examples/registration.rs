//! Examples of getting an account, and getting back into it.

use serde_json::json;

use super::{Examples, SECRET};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "registerAccount" => accepted().asked(json!({
            "email": "ada@example.org",
            "password": "seven quiet otters row home",
            "display_name": "Ada",
            "locale": "en",
        })),
        "resendVerification" | "recoverAccount" => accepted().asked(json!({"email": "ada@example.org"})),
        "verifyAccount" => Examples::empty(204, "POST /v1/account/verify").asked(json!({"token": SECRET})),
        "resetPassword" => Examples::empty(204, "POST /v1/account/reset")
            .asked(json!({"token": SECRET, "password": "eight loud herons fly south"})),
        "setUpAccount" => Examples::empty(204, "POST /v1/setup").asked(json!({
            "token": SECRET, "email": "ada@example.org", "password": "seven quiet otters row home",
        })),
        _ => return None,
    })
}

/// Who asks hears nothing of whether there is such an account.
fn accepted() -> Examples {
    Examples::json(202, json!({"status": "accepted"}))
}
