//! What each operation may fail with: what its routes say of it (`routes::FAILURES`), and what follows from what
//! a request passes on its way there.

use std::collections::BTreeMap;

use lamplighter_shared::error::ErrorCode;
use serde_json::{Map, Value, json};

use crate::{cross_site, error::problem_type, routes};

/// An operation, and what it may fail with beside what follows from its way.
pub(crate) type Failures = (&'static str, &'static [ErrorCode]);

/// Of a body.
const BODY: &[ErrorCode] = &[
    ErrorCode::MalformedRequest,
    ErrorCode::PayloadTooLarge,
    ErrorCode::UnsupportedMediaType,
    ErrorCode::ValidationFailed,
];
/// Of a token or a session.
const TOKEN: &[ErrorCode] = &[
    ErrorCode::Unauthorized,
    ErrorCode::InsufficientScope,
    ErrorCode::RateLimited,
];
/// Of ourselves.
const ALWAYS: &[ErrorCode] = &[ErrorCode::Internal, ErrorCode::Unavailable];

/// Adds its failures to an operation of the document.
pub(super) fn tell(path: &str, operation: &mut Value) {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in of(path, operation) {
        by_status.entry(code.status()).or_default().push(code);
    }
    for (status, codes) in by_status {
        operation["responses"][status.to_string()] = described(&codes);
    }
}

/// The failures of an operation, each once.
fn of(path: &str, operation: &Value) -> Vec<ErrorCode> {
    // The health checks ask nobody who they are, and say themselves what does not work.
    if !path.starts_with("/v1/") {
        return vec![ErrorCode::Internal];
    }
    let id = operation["operationId"].as_str().unwrap_or_default();
    let has = |field: &str| operation.get(field).is_some();
    let mut codes = Vec::new();
    if has("requestBody") {
        codes.extend(BODY);
    }
    let told = routes::FAILURES.iter().copied().flatten();
    codes.extend(told.filter(|(of, _)| *of == id).flat_map(|(_, own)| *own));
    if has("security") {
        codes.extend(TOKEN);
    }
    if !cross_site::is_way_back(path) {
        codes.push(ErrorCode::CrossSite);
    }
    codes.extend(ALWAYS);
    let mut seen = Vec::new();
    codes.retain(|code| {
        !seen.contains(code) && {
            seen.push(*code);
            true
        }
    });
    codes
}

/// What the document says of the failures of one status.
fn described(codes: &[ErrorCode]) -> Value {
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("`{code}`: {}.", code.title()))
        .collect();
    let named = |code: &ErrorCode| (code.as_str().to_owned(), json!({"value": example(*code)}));
    let examples: Map<String, Value> = codes.iter().map(named).collect();
    json!({
        "description": lines.join(" "),
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": examples,
        }},
    })
}

/// A problem document with this code.
fn example(code: ErrorCode) -> Value {
    let mut problem = json!({
        "type": problem_type(code),
        "title": code.title(),
        "status": code.status(),
        "detail": format!("{}.", code.title()),
        "instance": "/v1/jobs",
        "code": code.as_str(),
        "request_id": "req_019bc0c16ce17a3c8e4b1f0e6c3a5d27",
    });
    if code == ErrorCode::ValidationFailed {
        problem["detail"] = "/input/texts/1: must be of type string".into();
        let fault =
            json!({"pointer": "/input/texts/1", "code": "wrong_type", "detail": "must be of type string"});
        problem["errors"] = json!([fault]);
    }
    let violated = match code {
        ErrorCode::RateLimited => Some("burst"),
        ErrorCode::QuotaExceeded => Some("hourly"),
        _ => None,
    };
    if let Some(policy) = violated {
        problem["violated-policies"] = json!([policy]);
    }
    problem
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::openapi::{document, operations};

    #[test]
    fn what_the_routes_say_is_said_once_and_of_an_operation() {
        let mut document = document();
        let known: BTreeSet<String> = operations(&mut document)
            .filter_map(|(_, operation)| operation["operationId"].as_str().map(str::to_owned))
            .collect();
        let mut said = BTreeSet::new();
        for (operation, codes) in routes::FAILURES.iter().copied().flatten() {
            assert!(known.contains(*operation), "{operation} is no operation");
            assert!(said.insert(*operation), "{operation} stands there twice");
            assert!(!codes.is_empty(), "{operation}: nothing");
            let different: BTreeSet<&str> = codes.iter().map(|code| code.as_str()).collect();
            assert_eq!(different.len(), codes.len(), "{operation}: {codes:?}");
        }
    }

    #[test]
    fn every_failure_of_the_api_stands_at_some_operation() {
        let own = routes::FAILURES.iter().copied().flatten();
        let told: BTreeSet<&str> = own
            .flat_map(|(_, codes)| codes.iter())
            .chain(BODY)
            .chain(TOKEN)
            .chain(ALWAYS)
            .chain(&[ErrorCode::CrossSite])
            .map(|code| code.as_str())
            .collect();
        let of_jobs = [
            "invalid_input",
            "timeout",
            "worker_crashed",
            "out_of_memory",
            "lease_lost",
            "model_error",
        ];
        for code in ErrorCode::ALL {
            let framework = *code == ErrorCode::MethodNotAllowed;
            assert_eq!(
                told.contains(code.as_str()),
                !of_jobs.contains(&code.as_str()) && !framework,
                "{code}"
            );
        }
    }
}
