//! People of a fleet and what proves who they are, for the scenarios in which that ends. Users and sessions are
//! made by SQL, since a login costs a hash; tokens through the API. Any API may be asked with any proof.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use lamplighter_shared::id::UserId;
use lamplighter_testkit::{
    fleet::{Builder, Fleet},
    http_client,
    postgres::Sql,
    scenario::Scenario,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::PROGRAM;

/// The database's clock.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// What a request brings to show who asks.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The text of an API token.
    Token(String),
    /// The cookie of a login.
    Session(String),
}

/// Somebody who is logged in.
#[derive(Debug)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// Their login.
    pub session: Proof,
}

/// A token that was made.
#[derive(Debug)]
pub struct Issued {
    /// Its identifier.
    pub id: String,
    /// Its text.
    pub proof: Proof,
}

/// Clients of all APIs; copies share their connections.
#[derive(Debug, Clone)]
pub struct Clients {
    http: reqwest::Client,
    addresses: Vec<String>,
}

impl Clients {
    /// How many APIs there are.
    pub fn apis(&self) -> usize {
        self.addresses.len()
    }

    /// A request, with no body yet.
    pub fn request(&self, api: usize, proof: &Proof, method: Method, path: &str) -> RequestBuilder {
        let address = &self.addresses[api % self.addresses.len()];
        let request = self.http.request(method, format!("http://{address}{path}"));
        match proof {
            Proof::Token(text) => request.bearer_auth(text),
            Proof::Session(text) => request.header("cookie", format!("sid={text}")),
        }
    }

    /// The status and the body of an answer.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn ask(&self, request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        // Whole, so that the connection is used again.
        let text = answer.text().await.expect("a whole answer");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The status of a GET.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn status(&self, api: usize, proof: &Proof, path: &str) -> u16 {
        let answer = self.request(api, proof, Method::GET, path).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        answer.bytes().await.expect("a whole answer");
        status
    }
}

/// A fleet of APIs, and the people at it.
pub struct Town {
    /// Its name and seed.
    pub scenario: Scenario,
    /// The fleet.
    pub fleet: Fleet,
    /// Whoever asks.
    pub clients: Clients,
    /// Its database.
    pub sql: Sql,
    people: AtomicUsize,
}

impl Town {
    /// Two APIs and no worker, changed by `plan`, in which these fault points act.
    pub async fn begin(name: &str, faults: &str, plan: impl FnOnce(Builder) -> Builder) -> Self {
        let scenario = Scenario::new(name);
        let builder = Fleet::builder(PROGRAM)
            .seed(scenario.seed())
            .workers(0)
            .alone()
            .config("[accounts]\nmax_tokens = 1000\n")
            .env("FAILPOINTS", faults);
        let fleet = plan(builder).start().await;
        let clients = Clients {
            http: http_client(),
            addresses: fleet.apis.iter().map(|api| api.address()).collect(),
        };
        Self {
            sql: fleet.sql(),
            scenario,
            fleet,
            clients,
            people: AtomicUsize::new(0),
        }
    }

    /// Whoever owns the installation.
    pub fn owner(&self) -> Proof {
        Proof::Token(self.fleet.token().to_owned())
    }

    /// A new person of this role (`user`, `admin`), logged in just now.
    pub async fn person(&self, role: &str) -> Person {
        let id = UserId::generate();
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let text = format!(
            "INSERT INTO users (id, email, role, plan, created_at, verified_at, approved_at)
            VALUES ('{}', 'person-{number}@example.org', '{role}', 'unlimited', {NOW}, {NOW}, {NOW})",
            id.0
        );
        self.sql.query(&text).await;
        let session = self.session(id).await;
        Person { id, session }
    }

    /// A login of this user.
    pub async fn session(&self, user: UserId) -> Proof {
        let (id, cookie) = (Uuid::now_v7(), format!("cookie-{}", Uuid::now_v7().simple()));
        let text = format!(
            "INSERT INTO sessions (id, user_id, fingerprint, created_at, authenticated_at, seen_at, expires_at)
            VALUES ('{id}', '{}', sha256('{cookie}'), {NOW}, {NOW}, {NOW}, {NOW} + 3600000)",
            user.0
        );
        self.sql.query(&text).await;
        Proof::Session(cookie)
    }

    /// A token that this one makes through the API.
    ///
    /// # Panics
    /// Where the API refuses.
    pub async fn token(&self, api: usize, of: &Proof, scopes: &[&str]) -> Issued {
        let body = json!({"name": "race", "scopes": scopes, "expires_in_seconds": 3600});
        let request = self.clients.request(api, of, Method::POST, "/v1/tokens");
        let (status, made) = self.clients.ask(request.json(&body)).await;
        assert_eq!(status, 201, "{made}");
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        Issued {
            id: text("id"),
            proof: Proof::Token(text("token")),
        }
    }

    /// Asks one API to do something, as the owner of the installation.
    ///
    /// # Panics
    /// Where it refuses.
    pub async fn order(&self, api: usize, method: Method, path: &str, body: Option<Value>) {
        self.order_as(api, &self.owner(), (method, path, body)).await;
    }

    /// The same as anybody.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn order_as(
        &self,
        api: usize,
        who: &Proof,
        (method, path, body): (Method, &str, Option<Value>),
    ) {
        let mut request = self.clients.request(api, who, method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let (status, answer) = self.clients.ask(request).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
    }

    /// Revokes a token of the owner's.
    pub async fn revoke(&self, api: usize, token: &Issued) {
        let path = format!("/v1/tokens/{}/revoke", token.id);
        self.order(api, Method::POST, &path, None).await;
    }

    /// Looks into the cache of tokens and sessions with this result (`hit`, `miss`, `unavailable`), of all APIs.
    pub async fn looks(&self, result: &str) -> f64 {
        let label = format!("result=\"{result}\"");
        let mut sum = 0.0;
        for api in &self.fleet.apis {
            let (_, text) = api.page("/metrics").await.expect("it tells its figures");
            let lines = text
                .lines()
                .filter(|line| line.starts_with("lamplighter_token_cache_total") && line.contains(&label));
            sum += lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>();
        }
        sum
    }

    /// Waits until all APIs believe what is in the cache.
    pub async fn cache_is_used(&self) {
        let before = self.looks("hit").await;
        crate::signs::until("the cache is used", async || {
            for api in 0..self.clients.apis() {
                self.clients.status(api, &self.owner(), "/v1/plans/basic").await;
            }
            sleep(Duration::from_millis(20)).await;
            (self.looks("hit").await >= before + 4.0).then_some(())
        })
        .await;
    }
}
