//! The OpenAPI document: what poem-openapi derives from the handlers, completed with what it can't know:
//! the failures and examples of each operation. Generators of clients read it, so it is kept plain.

mod failures;

use poem::http::Method;
use poem_openapi::{registry::Registry, types::Type};
use serde_json::{Value, json};

pub(crate) use failures::Failures;

use crate::{
    error::Problem,
    routes::{self, examples},
};

/// The document's own description.
pub const DESCRIPTION: &str = "Submit inference jobs, wait for them, poll them, or follow their events.\n\n\
    Operations need an API token in `Authorization: Bearer` or `x-api-key`, or the cookie of a login. Those \
    without `security` need neither: the health checks, logging in, and registering, verifying, recovering and \
    setting up an account. Public models can be tried without, too: the first job sets the cookie of a guest. \
    Times are RFC 3339 in UTC with milliseconds; fields named `…_ms` are milliseconds, `…_seconds` seconds. \
    Fields without a value are left out. Failures are problem documents (RFC 9457) with a stable `code`. \
    Every answer carries `X-Request-Id`; send your own to find a request in the log.";

/// The document as JSON text: pretty, keys in order, the same bytes at every call.
pub fn json() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("a value can always be written as JSON");
    text.push('\n');
    text
}

/// The document.
pub(crate) fn document() -> Value {
    let spec = routes::service(None).spec();
    let mut document: Value = serde_json::from_str(&spec).expect("poem-openapi writes JSON");
    document["components"]["schemas"] = schemas();
    for (path, operation) in operations(&mut document) {
        failures::tell(&path, operation);
        exemplify(operation);
    }
    plain(&mut document);
    document
}

/// Which methods each path takes.
pub(crate) fn methods(document: &Value) -> Vec<(String, Vec<Method>)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let methods = |operations: &Value| {
        let names = operations
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.to_ascii_uppercase());
        let mut methods: Vec<Method> = names.filter_map(|name| name.parse().ok()).collect();
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods
    };
    let pages = ["/openapi.json", "/docs", "/docs/errors", "/metrics"]
        .map(|page| (page.to_owned(), vec![Method::GET, Method::HEAD]));
    paths
        .map(|(path, operations)| (path.clone(), methods(operations)))
        .chain(pages)
        .collect()
}

/// All types of the API, also those that only event streams carry.
fn schemas() -> Value {
    use poem_openapi::OpenApi;
    let mut registry = Registry::new();
    routes::Api::register(&mut registry);
    Problem::register(&mut registry);
    serde_json::to_value(&registry.schemas).expect("schemas can always be written as JSON")
}

/// Each operation with its path.
fn operations(document: &mut Value) -> impl Iterator<Item = (String, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, operations)| {
        let operations = operations.as_object_mut().into_iter().flatten();
        operations.map(|(_, operation)| (path.clone(), operation))
    })
}

/// Adds its examples to an operation.
fn exemplify(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let examples = examples::of(id);
    if let Some(example) = examples.request {
        operation["requestBody"]["content"]["application/json"]["example"] = example;
    }
    for (status, media_type, example) in examples.responses {
        let response = &mut operation["responses"][status.to_string()];
        match media_type {
            Some(media_type) => response["content"][media_type]["example"] = example,
            None => response["x-example"] = example,
        }
    }
}

/// Takes out what says nothing and confuses generators of clients: widths of integers, unused flags,
/// and a description beside a reference in the place of a type.
fn plain(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(map) => {
            if map.get("type") == Some(&json!("integer")) {
                map.remove("format");
            }
            if map.get("deprecated") == Some(&json!(false)) {
                map.remove("deprecated");
            }
            if map.get("default") == Some(&json!([])) {
                map.remove("default");
            }
            let merged = map.get("allOf").and_then(Value::as_array);
            if let Some(reference) = merged
                .and_then(|all| all.iter().find(|one| one.get("$ref").is_some()))
                .cloned()
            {
                map.insert("allOf".to_owned(), json!([reference]));
            }
            map.values_mut().for_each(plain);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all_operations() -> Vec<Value> {
        operations(&mut document())
            .map(|(_, operation)| operation.clone())
            .collect()
    }

    #[test]
    fn every_operation_has_id_summary_description_tag_and_example() {
        let operations = all_operations();
        let mut ids = BTreeSet::new();
        for operation in &operations {
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            for field in ["summary", "description"] {
                assert!(
                    operation[field].as_str().is_some_and(|text| !text.is_empty()),
                    "{id}: {field}"
                );
            }
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{id}");
            let text = operation.to_string();
            assert!(
                text.contains("\"example\"") || text.contains("\"x-example\""),
                "{id} has no example"
            );
            for (status, response) in operation["responses"].as_object().expect("responses") {
                assert!(
                    response["description"].as_str().is_some_and(|d| !d.is_empty()),
                    "{id} {status}"
                );
                // A process that is not ready says so in the words of one that is.
                let unready = id == "getReadiness" && status == "503";
                let failed = status.as_str() >= "400" && !unready;
                assert_eq!(
                    failed,
                    response["content"].get("application/problem+json").is_some(),
                    "{id} {status}"
                );
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{id}: {parameter}");
            }
            if operation.get("requestBody").is_some() {
                assert!(
                    operation["requestBody"]["content"]["application/json"]["example"].is_object(),
                    "{id}"
                );
            }
            assert!(ids.insert(id));
        }
        println!("operations: {}", operations.len());
        assert!(operations.len() >= 11);
    }

    /// The operations, beside the health checks, that need neither a token nor a session.
    const OPEN: &[&str] = &[
        "createSession",
        "registerAccount",
        "verifyAccount",
        "resendVerification",
        "recoverAccount",
        "resetPassword",
        "setUpAccount",
        "listLoginProviders",
        "beginProviderLogin",
        "endProviderLogin",
    ];

    #[test]
    fn every_operation_but_a_few_needs_a_token() {
        for operation in all_operations() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            let open = operation["tags"] == json!(["health"]) || OPEN.contains(&id);
            assert_eq!(
                operation.get("security").is_none(),
                open,
                "{}",
                operation["operationId"]
            );
        }
    }

    #[test]
    fn references_lead_somewhere_and_every_field_is_described() {
        let document = document();
        let text = document.to_string();
        for reference in text
            .split("\"$ref\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
            assert!(schema["description"].is_string(), "{name}");
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                assert!(schema["description"].is_string(), "{name}.{field}");
            }
        }
    }

    #[test]
    fn it_is_the_same_at_every_call() {
        assert_eq!(json(), json());
        assert!(json().ends_with("}\n"));
    }
}
