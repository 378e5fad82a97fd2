//! What people see of a token: its row in a list, and all of it, with what was used.

use serde_json::Value;

use super::{list::text, render::moment};

/// Days of use that are shown of a token.
const DAYS: usize = 14;

/// The row of a list.
pub fn row(token: &Value) -> [String; 6] {
    [
        text(&token["id"]),
        text(&token["name"]),
        text(&token["status"]),
        words(&token["scopes"]),
        moment(&text(&token["expires_at"])),
        moment(&text(&token["last_used_at"])),
    ]
}

/// What there is to know of a token, a line each.
pub fn facts(token: &Value) -> Vec<[String; 2]> {
    let at = |field: &str| moment(&text(&token[field]));
    let last_used = match &token["last_used_address"] {
        Value::String(address) => format!("{} from {address}", at("last_used_at")),
        _ => at("last_used_at"),
    };
    let models = match &token["models"] {
        Value::Null => "all".to_owned(),
        models => words(models),
    };
    let usage = &token["usage"];
    let used = format!(
        "{} jobs this hour, {} today, {} in all",
        text(&usage["used_this_hour"]),
        text(&usage["used_today"]),
        text(&usage["totals"]["requests"])
    );
    [
        ("ID", text(&token["id"])),
        ("NAME", text(&token["name"])),
        ("STATUS", text(&token["status"])),
        ("SCOPES", words(&token["scopes"])),
        ("MODELS", models),
        ("CREATED", at("created_at")),
        ("EXPIRES", at("expires_at")),
        ("REVOKED", at("revoked_at")),
        ("ROTATED TO", text(&token["rotated_to"])),
        ("LAST USED", last_used),
        ("USED", used),
    ]
    .map(|(name, fact)| [name.to_owned(), fact])
    .to_vec()
}

/// The last days on which jobs ended, under a head; nothing where there are none.
pub fn days(points: &Value) -> Vec<[String; 4]> {
    let points = points.as_array().map(Vec::as_slice).unwrap_or_default();
    let last = &points[points.len().saturating_sub(DAYS)..];
    let day = |point: &Value| {
        let used = &point["used"];
        let date: String = text(&point["starts_at"]).chars().take(10).collect();
        [
            date,
            text(&used["requests"]),
            text(&used["units"]),
            text(&used["tokens"]),
        ]
    };
    let head = (!last.is_empty()).then(|| ["DAY", "JOBS", "UNITS", "TOKENS"].map(str::to_owned));
    head.into_iter().chain(last.iter().map(day)).collect()
}

fn words(list: &Value) -> String {
    let words = list.as_array().into_iter().flatten().map(text);
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token() -> Value {
        json!({
            "id": "tok_1", "name": "nightly", "status": "active", "scopes": ["jobs:write", "jobs:read"],
            "created_at": "2026-01-31T12:00:00.000Z", "expires_at": "2026-03-02T12:00:00.000Z",
            "last_used_at": "2026-02-01T00:01:00.000Z", "last_used_address": "192.0.2.7",
            "usage": {
                "used_this_hour": 2, "used_today": 3, "totals": {"requests": 45},
                "data": [{"starts_at": "2026-02-01T00:00:00.000Z", "used": {"requests": 3, "units": 6, "tokens": 21}}],
            },
        })
    }

    #[test]
    fn a_token_is_told_to_people() {
        let cells = row(&token());
        assert_eq!(
            cells,
            [
                "tok_1",
                "nightly",
                "active",
                "jobs:write jobs:read",
                "2026-03-02 12:00:00",
                "2026-02-01 00:01:00"
            ]
        );
        let facts = facts(&token());
        let fact = |name: &str| {
            let found = facts.iter().find(|[key, _]| key == name);
            found.map(|[_, fact]| fact.as_str()).expect(name)
        };
        assert_eq!(fact("MODELS"), "all");
        assert_eq!(fact("REVOKED"), "-");
        assert_eq!(fact("LAST USED"), "2026-02-01 00:01:00 from 192.0.2.7");
        assert_eq!(fact("USED"), "2 jobs this hour, 3 today, 45 in all");
        let days = days(&token()["usage"]["data"]);
        assert_eq!(days[1], ["2026-02-01", "3", "6", "21"]);
        assert!(super::days(&json!([])).is_empty());
    }
}
