//! A person of the hunt for secrets (`secrets`): they do all that can be done, and all that can fail, and remember
//! every secret they were given.

use std::time::{Duration, Instant};

use lamplighter_testkit::{http_client, smtp};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::stack::Stack;

pub const EMAIL: &str = "hunted@example.org";
const PASSWORD: &str = "canary-pelican-7391-umbrella";
const NEW_PASSWORD: &str = "canary-walrus-2046-lighthouse";
/// Longest that a mail or a line of a log may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A secret, and what it is.
pub type Secret = (&'static str, String);

/// What a person's browser does: it keeps cookies.
pub struct Browser {
    pub http: reqwest::Client,
    /// nginx.
    base: String,
    cookies: Vec<String>,
    pub secrets: Vec<Secret>,
    /// All answers, but for those that give a secret to its owner.
    pub seen: String,
}

impl Browser {
    /// Somebody who has chosen their passwords.
    pub fn new(stack: &Stack) -> Self {
        Self {
            http: http_client(),
            base: stack.nginx().address(),
            cookies: Vec::new(),
            secrets: vec![
                ("a password", PASSWORD.to_owned()),
                ("a new password", NEW_PASSWORD.to_owned()),
            ],
            seen: String::new(),
        }
    }

    async fn ask(&mut self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.base))
            .header("cookie", self.cookies.join("; "))
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let pair = line.to_str().expect("text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.retain(|own| !own.starts_with(&format!("{name}=")));
            if !value.is_empty() {
                self.cookies.push(pair.to_owned());
                self.secrets.push(("a cookie", value.to_owned()));
            }
        }
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        if status != 201 {
            self.seen.push_str(&text);
        }
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, &body.to_string()).await
    }

    /// What must work; the secret that it gives, if any.
    async fn must(&mut self, path: &str, body: Value, status: u16) -> String {
        let (got, answer) = self.post(path, body).await;
        assert_eq!(got, status, "{path}: {answer}");
        let given = answer["token"].as_str().unwrap_or_default().to_owned();
        if !given.is_empty() {
            self.secrets.push(("a token", given.clone()));
        }
        given
    }

    /// The token of the newest mail whose link leads to a page, and the code in it.
    async fn mailed(&mut self, smtp: &smtp::Smtp, page: &str) -> String {
        let began = Instant::now();
        loop {
            let mails = smtp.mails();
            let texts = mails
                .iter()
                .rev()
                .filter_map(|mail| mail["parts"]["text/plain"]["text"].as_str());
            let found = texts
                .filter_map(|text| Some((text, text.split_once(&format!("{page}#token="))?.1)))
                .next();
            if let Some((text, rest)) = found {
                let token: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                    .collect();
                self.secrets.push(("a mailed token", token.clone()));
                let code = text
                    .split_once("minutes: ")
                    .map(|(_, rest)| rest.chars().take(6).collect());
                self.secrets
                    .extend(code.map(|code: String| ("a mailed code", code)));
                return token;
            }
            assert!(began.elapsed() < LIMIT, "no mail leads to {page}: {mails:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// From the registration to the reset of a password; programs and admins, too.
pub async fn everything_works(stack: &Stack, smtp: &smtp::Smtp, person: &mut Browser) {
    let new = json!({"email": EMAIL, "password": PASSWORD, "display_name": "Hunted"});
    person.must("/v1/account/register", new, 202).await;
    let token = person.mailed(smtp, "/verify").await;
    person
        .must("/v1/account/verify", json!({"token": token}), 204)
        .await;
    person
        .must("/v1/session", json!({"email": EMAIL, "password": PASSWORD}), 201)
        .await;
    let new = json!({"name": "laptop", "scopes": ["jobs:read", "jobs:write"], "expires_in_seconds": 3600});
    let (_, made) = person.post("/v1/tokens", new).await;
    let (id, token) = (
        made["id"].as_str().expect("an id"),
        made["token"].as_str().expect("a token"),
    );
    person.secrets.push(("an API token", token.to_owned()));
    person.secrets.push((
        "its sealed part",
        token.split('.').nth(2).expect("a payload").to_owned(),
    ));
    for service in ["api-1", "api-2"] {
        // In the caches of both.
        let program = stack.directly(service).with_token(token);
        let job = program
            .post_job(&json!({"model": "echo", "input": {"a": 1}}))
            .await;
        program.wait(&job).await;
    }
    let rotate = json!({"expires_in_seconds": 3600, "overlap_seconds": 60});
    person.must(&format!("/v1/tokens/{id}/rotate"), rotate, 201).await;
    person
        .must("/v1/account/recover", json!({"email": EMAIL}), 202)
        .await;
    let token = person.mailed(smtp, "/reset").await;
    person
        .must(
            "/v1/account/reset",
            json!({"token": token, "password": NEW_PASSWORD}),
            204,
        )
        .await;
    person
        .must(
            "/v1/session",
            json!({"email": EMAIL, "password": NEW_PASSWORD}),
            201,
        )
        .await;

    let (status, invited) = stack
        .through_nginx()
        .post("/v1/invitations", &json!({"email": "invited@example.org"}))
        .await;
    assert_eq!(status.as_u16(), 201, "{invited}");
    person.secrets.push((
        "an invitation",
        invited["token"].as_str().expect("a token").to_owned(),
    ));
    let made = stack
        .command("api-1", &["lamplighter", "user", "create", "other@example.org"])
        .output();
    let link = String::from_utf8_lossy(&made.expect("the program starts").stdout).into_owned();
    let setup = link.split("#token=").nth(1).and_then(|rest| rest.lines().next());
    person
        .secrets
        .push(("a set-up token", setup.expect("a link").to_owned()));
}

/// Everything that can be wrong with a request, with a secret in it.
pub async fn everything_fails(stack: &Stack, person: &mut Browser) {
    let secrets = person.secrets.clone();
    let token = &secrets
        .iter()
        .find(|(what, _)| *what == "an API token")
        .expect("one")
        .1;
    for body in [
        json!({"email": EMAIL, "password": format!("{PASSWORD}x")}).to_string(),
        json!({"email": PASSWORD, "password": EMAIL}).to_string(),
        json!({"email": 5, "password": PASSWORD}).to_string(),
        json!({"email": EMAIL, "password": [NEW_PASSWORD], "more": PASSWORD}).to_string(),
        json!({"email": EMAIL, "token": token, "code": 5, "password": PASSWORD}).to_string(),
        format!("{{\"email\": \"{EMAIL}\", \"password\": \"{PASSWORD}"),
        format!("{token}{PASSWORD}"),
    ] {
        for path in [
            "session",
            "account/register",
            "account/verify",
            "account/recover",
            "account/reset",
            "setup",
        ] {
            person.ask(Method::POST, &format!("/v1/{path}"), &body).await;
        }
        person.ask(Method::POST, "/v1/account/password", &body).await;
        person.ask(Method::PATCH, "/v1/account", &body).await;
    }
    let api = stack.through_nginx();
    for (_, secret) in &secrets {
        for path in ["account/verify", "account/reset"] {
            person
                .post(
                    &format!("/v1/{path}"),
                    json!({"token": secret, "password": NEW_PASSWORD}),
                )
                .await;
        }
        let wrong = api.with_token(&format!("{secret}x"));
        person.seen.push_str(&wrong.get("/v1/jobs").await.1.to_string());
        // Where no secret belongs, and people put them.
        person
            .ask(
                Method::GET,
                &format!("/v1/jobs?token={secret}&access_token={secret}"),
                "",
            )
            .await;
        person
            .ask(Method::POST, &format!("/v1/account/verify?token={secret}"), "{}")
            .await;
        let (status, answer) = api.post("/v1/jobs", &json!({"model": secret, "input": {}})).await;
        assert_ne!(status.as_u16(), 202);
        person.seen.push_str(&answer.to_string());
        let basic = person
            .http
            .get(format!("http://{}/v1/jobs", person.base))
            .basic_auth("ada", Some(secret));
        person
            .seen
            .push_str(&basic.send().await.expect("an answer").text().await.expect("text"));
    }
    person.ask(Method::DELETE, "/v1/session", "").await;
    person.ask(Method::GET, "/v1/session", "").await;
}
