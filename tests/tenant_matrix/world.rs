//! A server, everybody who asks it, and the owner's jobs with a mark that nobody else may see.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use lamplighter_testkit::{
    api::Api,
    http_client,
    server::{Options, Server},
};
use reqwest::{
    Method, StatusCode,
    header::{self, HeaderMap},
};
use serde_json::{Value, json};

use crate::{
    proofs::{self, EVERYTHING, Proof},
    who::Who,
};

/// `echo` may be tried by guests; nobody is stopped for asking often.
const CONFIG: &str = r#"
[models]
public = ["echo"]
[accounts]
registration = "approval"
login_burst = 1000
login_per_minute = 1000.0
[plans.guest]
requests_per_minute = 0
[plans.basic]
requests_per_minute = 0
jobs_per_hour = 0
"#;
/// Stands in the input, output and metadata of the owner's jobs.
const MARK: &str = "mark-of-the-owner-7f3a";

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
    proofs: RefCell<Vec<(Who, Proof)>>,
    searched: Cell<u32>,
    cookies: Cell<u32>,
}

impl World {
    pub async fn new() -> Self {
        let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
            .config(CONFIG)
            .start()
            .await;
        let anonymous = http_client();
        let proofs = proofs::make(&server, &anonymous).await;
        Self {
            server,
            anonymous,
            proofs: RefCell::new(proofs),
            searched: Cell::new(0),
            cookies: Cell::new(0),
        }
    }

    fn proof(&self, who: Who) -> Proof {
        let proofs = self.proofs.borrow();
        let found = proofs.iter().find(|(holder, _)| *holder == who);
        found.expect("everybody was made").1.clone()
    }

    /// Gives somebody whose session has ended another one.
    pub async fn log_in_again(&self, who: Who) {
        let email = who.logged_in().expect("somebody with a session");
        let (cookie, _) = proofs::log_in(&self.server, &self.anonymous, email).await;
        let mut proofs = self.proofs.borrow_mut();
        proofs.retain(|(holder, _)| *holder != who);
        proofs.push((who, Proof::Cookie(cookie)));
    }

    /// Another session of the owner; its id.
    pub async fn spare_session(&self) -> String {
        proofs::log_in(&self.server, &self.anonymous, "alice@example.com")
            .await
            .1
    }

    fn owner(&self) -> Api {
        match self.proof(Who::Owner) {
            Proof::Token(token) => self.server.api_as(&token),
            Proof::Cookie(_) => unreachable!("the owner has a token"),
        }
    }

    fn request(&self, who: Who, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.anonymous.request(method, self.server.url(path));
        match self.proof(who) {
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Cookie(cookie) if cookie.is_empty() => request,
            Proof::Cookie(cookie) => request.header(header::COOKIE, cookie),
        }
    }

    /// Answers that were searched for what is not the caller's.
    pub fn searched(&self) -> u32 {
        self.searched.get()
    }

    /// Cookies that answers set, each with the attributes that it must have.
    pub fn cookies(&self) -> u32 {
        self.cookies.get()
    }

    pub async fn ask(&self, who: Who, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(who, method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(who, request).await
    }

    pub async fn submit_with_key(&self, who: Who, key: &str, body: &Value) -> Answer {
        let request = self.request(who, Method::POST, "/v1/jobs").json(body);
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
        self.check_headers(response.headers());
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

    /// What must be true of every answer.
    fn check_headers(&self, headers: &HeaderMap) {
        let mut varies = headers.get_all(header::VARY).iter();
        assert!(varies.any(|value| value == "Origin"), "S10: {headers:?}");
        for set in headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().expect("text");
            for attribute in ["; Path=/;", "; HttpOnly", "; SameSite=Lax", "; Max-Age="] {
                assert!(set.contains(attribute), "S9: {set} lacks {attribute}");
            }
            assert!(!set.contains("Domain"), "S9: {set}");
            self.cookies.set(self.cookies.get() + 1);
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
        self.owner().post_job(&body).await
    }

    /// A job of the owner that has ended.
    pub async fn finished_job(&self) -> Value {
        let job = self.submit(json!({"chunks": 2})).await;
        self.owner().wait(&job).await
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

    /// What the owner has, but for what time changes: each job and how it stands, each live token, the account.
    pub async fn stored(&self) -> Value {
        let read = async |path: &str| self.ask(Who::Owner, Method::GET, path, None).await.body;
        let each = |page: &Value, fields: &[&str]| -> Vec<Value> {
            let items = page["data"].as_array().expect("a page").iter();
            items
                .map(|item| fields.iter().map(|field| item[*field].clone()).collect())
                .collect()
        };
        let account = read("/v1/account").await;
        json!({
            "jobs": each(&read("/v1/jobs?limit=100").await, &["id", "cancel_requested_at"]),
            "tokens": each(&read("/v1/tokens?limit=100").await, &["id", "name", "status", "expires_at"]),
            "account": [account["email"], account["display_name"], account["plan"], account["role"]],
        })
    }

    /// Ends and removes a job, where it is still there, so that the next one runs alone.
    pub async fn end(&self, job: &Value) {
        let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
        let owner = self.owner();
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
