//! Examples of logging in at an issuer.

use serde_json::json;

use super::Examples;

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listLoginProviders" => Examples::list(json!({"id": "google", "name": "Google"})),
        "beginProviderLogin" => {
            Examples::empty(303, "Location: https://accounts.google.com/o/oauth2/v2/auth?…")
        }
        "endProviderLogin" => Examples::empty(303, "Location: /playground"),
        _ => return None,
    })
}
