//! S13: texts that no database holds, and nests that no parser should follow, in a field of every body that
//! `openapi.json` knows: names of people and tokens, addresses, passwords as well as jobs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::unknown_fields::{Operation, Root, operations};

/// Stands where the odd text goes.
const HERE: &str = "here";

/// What each is, and its bytes within the JSON.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    vec![
        ("NUL as an escape", br#""a\u0000b""#.to_vec()),
        ("NUL as a byte", b"\"a\0b\"".to_vec()),
        ("a lone surrogate", br#""a\ud800b""#.to_vec()),
        (
            "a pair of surrogates the wrong way",
            br#""\udc00\ud800""#.to_vec(),
        ),
        ("bytes that are no UTF-8", b"\"\xff\xfe\"".to_vec()),
        ("nested 65 deep", nested(65)),
        ("nested 5,000 deep", nested(5000)),
    ]
}

/// The operation's example with these bytes in the place of one of its fields.
fn body(operation: &Operation, field: &str, odd: &[u8]) -> Vec<u8> {
    let mut body = operation.example.clone();
    body.insert(field.to_owned(), json!(HERE));
    let text = Value::Object(body).to_string();
    let (before, after) = text.split_once(&format!("\"{HERE}\"")).expect("it stands there");
    [before.as_bytes(), odd, after.as_bytes()].concat()
}

#[tokio::test]
async fn odd_texts_are_refused_in_every_field_of_every_body() {
    let (server, _folder) = crate::start().await;
    let root = Root::new(&server).await;
    let (_, account) = root.ask(Method::GET, "/v1/account", None).await;
    let token = json!({"name": "target", "scopes": ["jobs:read"], "expires_in_seconds": 3600});
    let (status, token) = root.ask(Method::POST, "/v1/tokens", Some(&token)).await;
    assert_eq!(status, 201, "{token}");
    let id = |of: &Value| of["id"].as_str().expect("an id").to_owned();
    let before = root.everybody().await;
    let (mut asked, mut server_errors, mut faults) = (0, 0, Vec::new());
    let (operations, kinds) = (operations(), kinds());
    for operation in &operations {
        let path = operation.address(&id(&account), &id(&token));
        for (field, (kind, odd)) in operation
            .example
            .keys()
            .flat_map(|field| kinds.iter().map(move |kind| (field, kind)))
        {
            let body = body(operation, field, odd);
            let (status, answer) = root.ask_with(operation.method.clone(), &path, Some(body)).await;
            asked += 1;
            server_errors += u32::from(status >= 500);
            if status != 400 || answer["code"] != "malformed_request" {
                faults.push(format!(
                    "{} {path}, {field} with {kind}: {status} {answer}",
                    operation.method
                ));
            }
        }
    }
    println!(
        "S13 odd texts: {} operations with a body, {} kinds in each field, {asked} bodies: 5xx {server_errors}, taken {}",
        operations.len(),
        kinds.len(),
        faults.len()
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(before, root.everybody().await);
    let log = server.log();
    assert!(
        !log.contains("a request failed") && !log.contains("panicked"),
        "{log}"
    );
}
