//! The documents tell the truth: the server's OpenAPI document is the committed one, real answers fit its
//! schemas and hold no field that it does not name, and the reference page needs nothing from elsewhere.

use jsonschema::Validator;
use lamplighter_testkit::server::{Options, Server};
use reqwest::Method;
use serde_json::{Value, json};

async fn server() -> Server {
    Options::new(env!("CARGO_BIN_EXE_lamplighter")).start().await
}

/// Turns what OpenAPI 3.0 says its own way into JSON Schema, and makes objects refuse unknown fields.
fn as_json_schema(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.remove("nullable") == Some(json!(true)) {
            let inner = Value::Object(std::mem::take(object));
            object.insert("anyOf".to_owned(), json!([inner, {"type": "null"}]));
        } else if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
        object.values_mut().for_each(as_json_schema);
    } else if let Some(list) = schema.as_array_mut() {
        list.iter_mut().for_each(as_json_schema);
    }
}

/// The document and what it says answers look like.
struct Document {
    whole: Value,
    components: Value,
}

impl Document {
    async fn of(server: &Server) -> Self {
        let (status, whole) = server.get("/openapi.json").await;
        assert_eq!(status.as_u16(), 200);
        let mut components = whole["components"].clone();
        as_json_schema(&mut components["schemas"]);
        Self { whole, components }
    }

    fn judge(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        as_json_schema(&mut schema);
        schema["components"] = self.components.clone();
        jsonschema::validator_for(&schema).expect("a schema")
    }

    /// Fails where an answer is not as the operation says.
    fn check(&self, (method, path): (&str, &str), status: u16, kind: &str, answer: &Value) {
        let responses = &self.whole["paths"][path][method]["responses"];
        let content = &responses[status.to_string()]["content"];
        let schema = &content[kind]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path}: {status} {kind} is not documented: {responses}"
        );
        let judge = self.judge(schema);
        let faults: Vec<String> = judge
            .iter_errors(answer)
            .map(|e| format!("{}: {e}", e.instance_path().as_str()))
            .collect();
        assert!(
            faults.is_empty(),
            "{method} {path} {status}: {faults:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn the_server_s_document_is_the_committed_one() {
    let server = server().await;
    let live = server
        .request(Method::GET, "/openapi.json")
        .send()
        .await
        .expect("an answer");
    let live = live.text().await.expect("text");
    // Bytes, not values: the file is what `lamplighter openapi` prints.
    let same = live == include_str!("../openapi.json");
    assert!(same, "openapi.json is stale; run `make openapi`");
}

/// One question: method, path for the request, path in the document, body.
type Question<'a> = (&'a str, String, &'a str, Option<Value>);

fn questions(finished: &str, running: &str) -> Vec<Question<'static>> {
    let missing = "job_01ke1c2v7h8q9r0s1t2v3w4x5y";
    let plain = |method, path: &'static str| (method, path.to_owned(), path, None);
    let of = |method, path: &'static str, id: &str| (method, path.replace("{id}", id), path, None);
    let submit = |body: Value| ("post", "/v1/jobs".to_owned(), "/v1/jobs", Some(body));
    vec![
        plain("get", "/healthz"),
        plain("get", "/readyz"),
        plain("get", "/v1/jobs"),
        plain("get", "/v1/models"),
        ("get", "/v1/jobs?limit=0".to_owned(), "/v1/jobs", None),
        of("get", "/v1/models/{id}", "echo"),
        of("get", "/v1/models/{id}", "none"),
        submit(json!({"model": "echo", "input": {"a": null}, "metadata": {"b": []}, "priority": "high"})),
        submit(json!({"model": "echo"})),
        submit(json!({"model": "none", "input": {}})),
        of("get", "/v1/jobs/{id}", finished),
        of("get", "/v1/jobs/{id}", running),
        of("get", "/v1/jobs/{id}", missing),
        of("post", "/v1/jobs/{id}/retry", finished),
        of("post", "/v1/jobs/{id}/retry", running),
        of("post", "/v1/jobs/{id}/cancel", finished),
        of("delete", "/v1/jobs/{id}", running),
        of("post", "/v1/jobs/{id}/cancel", running),
        of("get", "/v1/jobs/{id}/events", missing),
    ]
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let server = server().await;
    let document = Document::of(&server).await;
    let failing = json!({"model": "echo", "input": {"fail": "on purpose", "chunks": 2}});
    let failed = server.wait(&server.post_job(&failing).await).await;
    let running = server
        .post_job(&json!({"model": "echo", "input": {"sleep_ms": 60_000}}))
        .await;
    let id = |job: &Value| job["id"].as_str().expect("an id").to_owned();
    let mut checked = Vec::new();
    for (method, path, documented, body) in questions(&id(&failed), &id(&running)) {
        let verb: Method = method.to_uppercase().parse().expect("a method");
        let mut request = server.request(verb, &path);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().expect("text");
        let kind = kind.split(';').next().expect("one at least").to_owned();
        let answer: Value = response.json().await.expect("JSON");
        document.check((method, documented), status, &kind, &answer);
        checked.push(status);
    }
    let anonymous = server.api_as("");
    let (status, problem) = anonymous.get("/v1/jobs").await;
    document.check(
        ("get", "/v1/jobs"),
        status.as_u16(),
        "application/problem+json",
        &problem,
    );
    let events = server.events(&id(&failed), None).await.expect("a stream");
    let job = document.judge(&json!({"$ref": "#/components/schemas/Job"}));
    let chunk = document.judge(&json!({"$ref": "#/components/schemas/JobOutputChunk"}));
    let progress = document.judge(&json!({"$ref": "#/components/schemas/JobProgress"}));
    for event in events.rest().await {
        let judge = match event.name.as_str() {
            "output" => &chunk,
            "progress" => &progress,
            _ => &job,
        };
        assert!(judge.is_valid(&event.data), "{event:?}");
    }
    println!("{} answers fit their schemas: {checked:?}", checked.len() + 1);
    // The judge can say no.
    let mut wrong = failed.clone();
    wrong["surprise"] = json!(1);
    assert!(!job.is_valid(&wrong));
}

#[tokio::test]
async fn examples_fit_their_own_schemas() {
    let server = server().await;
    let document = Document::of(&server).await;
    let (mut examples, mut operations) = (0, 0);
    for (path, methods) in document.whole["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("operations") {
            operations += 1;
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            let request = operation["requestBody"]["content"]
                .as_object()
                .into_iter()
                .flatten();
            let responses = operation["responses"].as_object().into_iter().flatten();
            let contents = responses
                .filter_map(|(_, response)| response["content"].as_object())
                .flatten();
            for (kind, content) in request.chain(contents).filter(|(kind, _)| kind.contains("json")) {
                let own = content.get("example").into_iter();
                let named = content["examples"].as_object().into_iter().flatten();
                for example in own.chain(named.map(|(_, example)| &example["value"])) {
                    let judge = document.judge(&content["schema"]);
                    let faults: Vec<String> = judge.iter_errors(example).map(|e| e.to_string()).collect();
                    assert!(faults.is_empty(), "{method} {path} {kind}: {faults:?}");
                    examples += 1;
                }
            }
        }
    }
    println!("{operations} operations, {examples} examples fit their schemas");
    assert!(examples >= operations);
}

#[tokio::test]
async fn the_pages_need_nothing_from_elsewhere() {
    let server = server().await;
    for path in ["/docs", "/docs/errors"] {
        let (policy, html) = page(&server, path).await;
        // The browser is told to fetch nothing from other hosts; that holds whatever the scripts try.
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(
            !policy.contains("http:") && !policy.contains("https:") && !policy.contains('*'),
            "{policy}"
        );
        let tags = html.split('<').filter(|tag| {
            let name = tag
                .split(|c: char| !c.is_ascii_alphanumeric())
                .next()
                .unwrap_or_default();
            ["script", "link", "img", "iframe", "style"].contains(&name)
        });
        for tag in tags {
            let tag = &tag[..tag.find('>').unwrap_or(tag.len()).min(300)];
            for attribute in [
                "src=\"http",
                "href=\"http",
                "src=\"//",
                "href=\"//",
                "src='http",
                "href='http",
            ] {
                assert!(!tag.contains(attribute), "{path}: <{tag}>");
            }
        }
        assert!(!html.contains("@import url(http"), "{path}");
        println!("{path}: {} kB, nothing from elsewhere", html.len() / 1000);
    }
}

/// The content policy and the text of a page, without a token.
async fn page(server: &Server, path: &str) -> (String, String) {
    let response = lamplighter_testkit::http_client()
        .get(server.url(path))
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status().as_u16(), 200);
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .expect("text")
        .to_owned();
    (policy, response.text().await.expect("text"))
}
