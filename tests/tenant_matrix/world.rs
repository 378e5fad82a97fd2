//! A server, everybody who asks it, and the owner's jobs with a mark that nobody else may see.

use std::{cell::Cell, time::Duration};

use lamplighter_testkit::{
    api::Api,
    http_client,
    server::{Options, Server},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Stands in the input, output and metadata of the owner's jobs.
const MARK: &str = "mark-of-the-owner-7f3a";
const EVERYTHING: [&str; 5] = [
    "jobs:read",
    "jobs:write",
    "models:read",
    "account:read",
    "tokens:write",
];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Without a token.
    Anonymous,
    /// With a token that was altered.
    Forger,
    /// With a token of the owner's that was revoked.
    Revoked,
    /// With a token of the owner's that has only this scope.
    Narrow(&'static str),
    /// Another user.
    Other,
    /// The installation's administrator, who is another user like any.
    Administrator,
    /// The one whose jobs they are.
    Owner,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 11] = [
        Self::Anonymous,
        Self::Forger,
        Self::Revoked,
        Self::Narrow("jobs:read"),
        Self::Narrow("jobs:write"),
        Self::Narrow("models:read"),
        Self::Narrow("account:read"),
        Self::Narrow("tokens:write"),
        Self::Other,
        Self::Administrator,
        Self::Owner,
    ];

    /// Whether the jobs are theirs.
    pub fn owns(self) -> bool {
        matches!(self, Self::Owner | Self::Narrow(_))
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub challenge: String,
    pub headers: String,
    pub body: Value,
    who: Who,
}

impl Answer {
    /// The answer without what must differ between two requests.
    pub fn comparable(&self) -> (StatusCode, Value) {
        let mut body = self.body.clone();
        if let Some(problem) = body.as_object_mut() {
            problem.remove("request_id");
            problem.remove("instance");
        }
        (self.status, body)
    }

    /// Whether the owner's data is in it.
    pub fn shows_the_mark(&self) -> bool {
        self.body.to_string().contains(MARK) || self.headers.contains(MARK)
    }
}

pub struct World {
    server: Server,
    anonymous: reqwest::Client,
    tokens: Vec<(Who, String)>,
    searched: Cell<u32>,
}

impl World {
    pub async fn new() -> Self {
        let server = Options::new(env!("CARGO_BIN_EXE_lamplighter")).start().await;
        let of_owner = |scopes: &[&str]| server.create_token("alice@example.com", scopes);
        let whole = of_owner(&EVERYTHING);
        let revoked = of_owner(&EVERYTHING);
        let done = server
            .command(&["token", "revoke", &revoked])
            .output()
            .expect("the program starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let mut tokens = vec![
            (Who::Forger, forged(&whole)),
            (Who::Revoked, revoked),
            (Who::Other, server.create_token("bob@example.com", &EVERYTHING)),
            (Who::Administrator, server.token().to_owned()),
            (Who::Owner, whole.clone()),
        ];
        for scope in EVERYTHING {
            tokens.push((Who::Narrow(scope), of_owner(&[scope])));
        }
        Self {
            server,
            anonymous: http_client(),
            tokens,
            searched: Cell::new(0),
        }
    }

    fn api(&self, who: Who) -> Api {
        let (_, token) = self
            .tokens
            .iter()
            .find(|(holder, _)| *holder == who)
            .expect("a token");
        self.server.api_as(token)
    }

    /// Answers that were searched for what is not the caller's.
    pub fn searched(&self) -> u32 {
        self.searched.get()
    }

    pub async fn ask(&self, who: Who, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = match who {
            Who::Anonymous => self.anonymous.request(method, self.server.url(path)),
            _ => self.api(who).request(method, path),
        };
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(who, request).await
    }

    pub async fn submit_with_key(&self, who: Who, key: &str, body: &Value) -> Answer {
        let request = self.api(who).request(Method::POST, "/v1/jobs").json(body);
        self.send(who, request.header("idempotency-key", key)).await
    }

    async fn send(&self, who: Who, request: reqwest::RequestBuilder) -> Answer {
        let response = request
            .timeout(Duration::from_secs(30))
            .send()
            .await
            .expect("an answer");
        let status = response.status();
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map_or(String::new(), |v| v.to_str().expect("text").to_owned());
        let headers = format!("{:?}", response.headers());
        let text = response.text().await.expect("a whole answer");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            challenge,
            headers,
            body,
            who,
        }
    }

    /// Fails where an answer to somebody else holds the owner's mark or name.
    pub fn assert_nothing_shows(&self, name: &str, answer: &Answer) {
        if answer.who.owns() {
            return;
        }
        self.searched.set(self.searched.get() + 1);
        let text = format!("{} {}", answer.headers, answer.comparable().1);
        assert!(!answer.shows_the_mark(), "{name} shows the owner's data: {text}");
        assert!(!text.contains("alice"), "{name} names the owner: {text}");
    }

    async fn submit(&self, mut input: Value) -> Value {
        input["mark"] = MARK.into();
        let body = json!({"model": "echo", "input": input, "metadata": {"mark": MARK}});
        self.api(Who::Owner).post_job(&body).await
    }

    /// A job of the owner that has ended.
    pub async fn finished_job(&self) -> Value {
        let job = self.submit(json!({"chunks": 2})).await;
        self.api(Who::Owner).wait(&job).await
    }

    /// A token of the owner that may do nothing but make tokens like it; its id.
    pub async fn little_token(&self) -> String {
        let body = json!({"name": MARK, "scopes": ["tokens:write"]});
        let made = self
            .ask(Who::Owner, Method::POST, "/v1/tokens", Some(&body))
            .await;
        made.body["id"].as_str().expect("a token").to_owned()
    }

    /// The id of the worker.
    pub async fn worker(&self) -> String {
        let list = self
            .ask(Who::Administrator, Method::GET, "/v1/workers", None)
            .await;
        list.body["data"][0]["id"].as_str().expect("a worker").to_owned()
    }

    /// The id of an account that nobody here uses, and of a token of it.
    pub async fn spare_user(&self) -> (String, String) {
        let first = async |path: &str| {
            let list = self.ask(Who::Administrator, Method::GET, path, None).await;
            list.body["data"][0]["id"].as_str().map(str::to_owned)
        };
        let search = "/v1/users?q=spare%40example.com";
        if first(search).await.is_none() {
            self.server.create_token("spare@example.com", &EVERYTHING);
        }
        let user = first(search).await.expect("the account");
        let token = first(&format!("/v1/users/{user}/tokens")).await;
        (user, token.expect("its token"))
    }

    /// A job of the owner that does not end by itself.
    pub async fn running_job(&self) -> Value {
        self.submit(json!({"sleep_ms": 600_000})).await
    }

    /// What the owner has: each job and how it stands, but for what time changes.
    pub async fn stored(&self) -> Vec<(Value, bool)> {
        let page = self
            .ask(Who::Owner, Method::GET, "/v1/jobs?limit=100", None)
            .await;
        let jobs = page.body["data"].as_array().expect("a page").iter();
        jobs.map(|job| (job["id"].clone(), job.get("cancel_requested_at").is_some()))
            .collect()
    }

    /// Ends and removes a job, where it is still there, so that the next one runs alone.
    pub async fn end(&self, job: &Value) {
        let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
        let owner = self.api(Who::Owner);
        let (found, _) = owner.get(&path).await;
        if found == StatusCode::NOT_FOUND {
            return;
        }
        owner.post(&format!("{path}/cancel"), &json!({})).await;
        owner.wait(job).await;
        let (status, body) = owner.call(Method::DELETE, &path, None).await;
        assert_eq!(status.as_u16(), 204, "{body}");
    }
}

/// A token with another character in its sealed part, and so with a wrong checksum as well.
fn forged(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("a token is ASCII")
}
