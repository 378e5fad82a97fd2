//! S7: after people and programs have gone their ways, and have failed in every way, no secret of theirs stands
//! anywhere but in their own hands. Also the commands of `lamplighter user`, by which the accounts are made.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use lamplighter_testkit::{
    http_client,
    server::{Options, Server},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PASSWORD: &str = "canary-pelican-7391-umbrella";
const EMAIL: &str = "hunted@example.org";

/// Runs `lamplighter user`, with this on its standard input.
fn user(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = server.command(&[&["user"], arguments].concat());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    // One that does not read may be gone already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// What a person's browser does: it keeps a cookie.
struct Browser<'a> {
    server: &'a Server,
    http: reqwest::Client,
    cookie: String,
    /// All answers, but for those that give a secret to its owner.
    seen: String,
}

impl Browser<'_> {
    async fn ask(&mut self, method: Method, path: &str, body: &str) -> (StatusCode, Value, String) {
        let request = self
            .http
            .request(method, self.server.url(path))
            .header("cookie", &self.cookie)
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies: Vec<&str> = cookies.filter_map(|value| value.to_str().ok()).collect();
        let set: Vec<&str> = cookies.iter().filter_map(|c| c.split(';').next()).collect();
        let (status, set) = (answer.status(), set.join("; "));
        let text = answer.text().await.expect("a body");
        if status != StatusCode::CREATED {
            self.seen.push_str(&text);
        }
        (status, serde_json::from_str(&text).unwrap_or_default(), set)
    }
}

#[tokio::test]
async fn no_secret_stands_anywhere_but_with_its_owner() {
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
        .env("LAMPLIGHTER_LOG", "debug")
        .start()
        .await;
    let made = user(
        &server,
        &["create", EMAIL, "--password-stdin"],
        &format!("{PASSWORD}\n"),
    );
    assert!(made.status.success(), "{}", said(&made));
    let made_other = user(&server, &["create", "other@example.org"], "");
    let link = said(&made_other);
    let setup = link
        .split("#token=")
        .nth(1)
        .expect("a link")
        .lines()
        .next()
        .expect("a token")
        .to_owned();

    let mut person = Browser {
        server: &server,
        http: http_client(),
        cookie: String::new(),
        seen: said(&made),
    };
    let login = json!({"email": EMAIL, "password": PASSWORD}).to_string();
    let (status, _, cookie) = person.ask(Method::POST, "/v1/session", &login).await;
    assert_eq!(status, StatusCode::CREATED);
    person.cookie = cookie.clone();
    let new = json!({"name": "laptop", "scopes": ["jobs:read", "jobs:write"], "expires_in_seconds": 3600});
    let (status, token, _) = person.ask(Method::POST, "/v1/tokens", &new.to_string()).await;
    assert_eq!(status, StatusCode::CREATED, "{token}");
    let token = token["token"].as_str().expect("a token").to_owned();
    let program = server.api_as(&token);
    let job = program
        .post_job(&json!({"model": "echo", "input": {"a": 1}}))
        .await;
    program.wait(&job).await;

    // Everything that can be wrong with a request, with a secret in it.
    for (path, body) in [
        (
            "/v1/session",
            json!({"email": EMAIL, "password": format!("{PASSWORD}x")}).to_string(),
        ),
        (
            "/v1/session",
            json!({"email": PASSWORD, "password": EMAIL}).to_string(),
        ),
        (
            "/v1/session",
            json!({"email": 5, "password": PASSWORD}).to_string(),
        ),
        (
            "/v1/session",
            json!({"email": EMAIL, "password": [PASSWORD], "more": PASSWORD}).to_string(),
        ),
        (
            "/v1/session",
            format!("{{\"email\": \"{EMAIL}\", \"password\": \"{PASSWORD}"),
        ),
        ("/v1/tokens", json!({"name": 1, "scopes": [token]}).to_string()),
        ("/v1/jobs", json!({"model": token, "input": {}}).to_string()),
    ] {
        person.ask(Method::POST, path, &body).await;
    }
    for bad in [
        format!("{token}x"),
        token.replace("lmp_", "lmq_"),
        setup.clone(),
        PASSWORD.to_owned(),
    ] {
        let (status, answer) = server.api_as(&bad).get("/v1/jobs").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        person.seen.push_str(&answer.to_string());
    }
    person.ask(Method::GET, "/v1/session", "").await;
    person.ask(Method::GET, "/v1/audit", "").await;
    person.ask(Method::DELETE, "/v1/session", "").await;
    let metrics = person
        .http
        .get(server.url("/metrics"))
        .send()
        .await
        .expect("metrics");
    let metrics = metrics.text().await.expect("text");

    let key = fs::read_to_string(server.data_dir().join("secret.key")).expect("the key");
    let owner = server.token().to_owned();
    let mut secrets = vec![PASSWORD, &token, &owner, &setup, key.trim()];
    // The last part of a token is enough to find it; of cookies their values.
    secrets.extend(
        cookie
            .split("; ")
            .filter_map(|pair| pair.split_once('='))
            .map(|(_, value)| value),
    );
    secrets.push(key.trim().rsplit('.').next().expect("the key's own part"));
    secrets.push(token.rsplit('.').nth(1).expect("the sealed part"));

    let file = |name: &str| fs::read(server.data_dir().join(name)).unwrap_or_default();
    let places = [
        ("the log", server.log().into_bytes()),
        ("the database", file("lamplighter.db")),
        ("its journal", file("lamplighter.db-wal")),
        ("the metrics", metrics.into_bytes()),
        ("the answers", person.seen.clone().into_bytes()),
    ];
    let hits = |secret: &str| -> Vec<&str> {
        let found = |bytes: &[u8]| {
            bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        };
        places
            .iter()
            .filter(|(_, bytes)| found(bytes))
            .map(|(name, _)| *name)
            .collect()
    };
    assert!(
        hits(EMAIL).contains(&"its journal") || hits(EMAIL).contains(&"the database"),
        "the search finds things"
    );
    assert!(
        hits("wrong_credentials").contains(&"the answers"),
        "the answers are searched"
    );
    let mut found = 0;
    for secret in &secrets {
        assert!(secret.len() > 16, "a secret to be looked for");
        let at = hits(secret);
        found += at.len();
        assert!(at.is_empty(), "{}… stands in {at:?}", &secret[..6]);
    }
    println!(
        "S7 {} secrets in {} places at debug level: {found} raw hits",
        secrets.len(),
        places.len()
    );
}

#[tokio::test]
async fn accounts_are_made_and_changed_on_the_servers_machine() {
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter")).start().await;
    for (arguments, input, good) in [
        (&["create", "ada@example.org", "--admin"][..], "", true),
        (&["create", "ADA@example.org"], "", false),
        (&["create", "not an address"], "", false),
        (&["create", "bob@example.org", "--plan", "pro"], "", true),
        (
            &["create", "eve@example.org", "--plan", "none-like-it"],
            "",
            false,
        ),
        (
            &["create", "eve@example.org", "--password-stdin"],
            "short\n",
            false,
        ),
        (&["demote", "owner@localhost"], "", true),
        (&["demote", "ada@example.org"], "", false),
        (&["disable", "ada@example.org"], "", false),
        (&["promote", "owner@localhost"], "", true),
        (&["disable", "nobody@example.org"], "", false),
    ] {
        let done = user(&server, arguments, input);
        assert_eq!(done.status.success(), good, "{arguments:?}: {}", said(&done));
    }
    let token = server.create_token("bob@example.org", &["jobs:read"]);
    let status = async || server.api_as(&token).get("/v1/jobs").await.0.as_u16();
    assert_eq!(status().await, 200);
    assert!(
        user(&server, &["disable", "bob@example.org"], "")
            .status
            .success()
    );
    assert_eq!(status().await, 401);
    assert!(user(&server, &["enable", "bob@example.org"], "").status.success());
    assert!(
        user(&server, &["set-plan", "bob@example.org", "basic"], "")
            .status
            .success()
    );
    assert_eq!(status().await, 200);
    let list = said(&user(&server, &["list"], ""));
    assert!(list.contains("bob@example.org\tuser\tbasic\tactive"), "{list}");
    assert!(
        list.contains("ada@example.org\tadmin\tunlimited\tactive"),
        "{list}"
    );
    let (_, log) = server.get("/v1/audit").await;
    let told: Vec<&Value> = log["data"].as_array().expect("entries").iter().collect();
    let by_operator = told
        .iter()
        .filter(|entry| entry["actor"]["kind"] == "operator")
        .count();
    assert!(by_operator >= 7, "{log}");
}
