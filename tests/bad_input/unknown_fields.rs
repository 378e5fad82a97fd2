//! S16: fields that nobody asked for, in every body that `openapi.json` knows: they are refused by name, and
//! nobody is more than they were.

use std::{io::Write, process::Stdio};

use lamplighter_testkit::{http_client, server::Server};
use reqwest::{Client, Method, header};
use serde_json::{Map, Value, json};

const EMAIL: &str = "root@example.org";
const PASSWORD: &str = "nine blue herons over the canal";
/// What a careless server would store.
const FIELDS: [&str; 3] = ["role", "is_verified", "user_id"];

/// An operation with a body.
pub struct Operation {
    pub method: Method,
    path: String,
    pub example: Map<String, Value>,
    /// Fields that it knows.
    known: Vec<String>,
}

impl Operation {
    /// Its address, about this account and this token of it.
    pub fn address(&self, account: &str, token: &str) -> String {
        let owner = if self.path.starts_with("/v1/users") {
            account
        } else {
            token
        };
        let path = self.path.replace("{id}", owner).replace("{name}", "basic");
        let path = path.replace("{token}", token);
        assert!(!path.contains('{'), "{path}: what does it need?");
        path
    }
}

/// Every operation that has a body.
pub fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).expect("JSON");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_null() {
                continue;
            }
            let example = content["example"].as_object();
            found.push(Operation {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                example: example.expect("every body has an example").clone(),
                known: properties(&document, &content["schema"]),
            });
        }
    }
    found
}

/// Names of the properties of a schema, wherever they stand.
fn properties(document: &Value, schema: &Value) -> Vec<String> {
    if let Some(place) = schema["$ref"].as_str() {
        let target = document.pointer(place.trim_start_matches('#'));
        return properties(document, target.expect("a schema"));
    }
    let own = schema["properties"].as_object();
    let mut names: Vec<String> = own.into_iter().flat_map(|own| own.keys().cloned()).collect();
    for kind in ["allOf", "anyOf", "oneOf"] {
        for part in schema[kind].as_array().into_iter().flatten() {
            names.extend(properties(document, part));
        }
    }
    names
}

/// An administrator with a session, who may do everything.
pub struct Root<'a> {
    server: &'a Server,
    http: Client,
    cookie: String,
}

impl<'a> Root<'a> {
    pub async fn new(server: &'a Server) -> Self {
        let mut command = server.command(&["user", "create", EMAIL, "--admin", "--password-stdin"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut made = command.spawn().expect("the program starts");
        let mut input = made.stdin.take().expect("it is piped");
        writeln!(input, "{PASSWORD}").expect("it reads");
        drop(input);
        assert!(made.wait().expect("it ends").success());
        let http = http_client();
        let login = json!({"email": EMAIL, "password": PASSWORD});
        let answer = http.post(server.url("/v1/session")).json(&login).send().await;
        let answer = answer.expect("an answer");
        let set = answer.headers().get_all(header::SET_COOKIE).iter();
        let mut pairs = set.filter_map(|set| set.to_str().ok()?.split(';').next());
        let cookie = pairs.find(|pair| pair.starts_with("sid=")).expect("a cookie");
        Self {
            server,
            cookie: cookie.to_owned(),
            http,
        }
    }

    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string().into_bytes());
        self.ask_with(method, path, body).await
    }

    /// The same with a body that need not be JSON.
    pub async fn ask_with(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> (u16, Value) {
        let mut request = self.http.request(method, self.server.url(path));
        request = request.header(header::COOKIE, &self.cookie);
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Addresses and roles of all accounts.
    pub async fn everybody(&self) -> Vec<(Value, Value)> {
        let (status, users) = self.ask(Method::GET, "/v1/users", None).await;
        assert_eq!(status, 200, "{users}");
        let users = users["data"].as_array().expect("a list");
        let mut all: Vec<_> = users
            .iter()
            .map(|user| (user["email"].clone(), user["role"].clone()))
            .collect();
        all.sort_by_key(|(email, _)| email.to_string());
        all
    }
}

#[tokio::test]
async fn fields_that_nobody_asked_for_are_refused_everywhere() {
    let (server, _folder) = crate::start().await;
    let root = Root::new(&server).await;
    let (_, account) = root.ask(Method::GET, "/v1/account", None).await;
    let token = json!({"name": "target", "scopes": ["jobs:read"], "expires_in_seconds": 3600});
    let (status, token) = root.ask(Method::POST, "/v1/tokens", Some(&token)).await;
    assert_eq!(status, 201, "{token}");
    let id = |of: &Value| of["id"].as_str().expect("an id").to_owned();
    let before = root.everybody().await;
    let (mut asked, mut faults, mut skipped) = (0, Vec::new(), Vec::new());
    let operations = operations();
    for operation in &operations {
        let path = operation.address(&id(&account), &id(&token));
        for field in FIELDS {
            if operation.known.iter().any(|known| known == field) {
                skipped.push(format!("{} {}: {field}", operation.method, operation.path));
                continue;
            }
            let mut body = operation.example.clone();
            body.insert(field.to_owned(), json!("admin"));
            let (status, answer) = root
                .ask(operation.method.clone(), &path, Some(&body.into()))
                .await;
            asked += 1;
            let errors = answer["errors"].as_array().into_iter().flatten();
            let named = errors
                .into_iter()
                .any(|error| error["pointer"] == format!("/{field}"));
            if status != 422 || !named {
                faults.push(format!(
                    "{} {path} with {field}: {status} {answer}",
                    operation.method
                ));
            }
        }
    }
    let after = root.everybody().await;
    println!(
        "S16 unknown fields: {} operations with a body, {asked} bodies with {}: taken {}, roles changed {}",
        operations.len(),
        FIELDS.join(", "),
        faults.len(),
        before.iter().filter(|one| !after.contains(one)).count(),
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(before, after);
    // Where an administrator says which role somebody gets.
    assert_eq!(
        skipped,
        ["POST /v1/invitations: role", "PATCH /v1/users/{id}: role"]
    );
    assert!(operations.len() >= 16, "bodies are found: {}", operations.len());
}
