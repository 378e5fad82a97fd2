//! Two API processes over one Postgres and one Redis, on sockets, and people who log in to them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use lamplighter_api::ApiState;
use lamplighter_shared::{
    cache::{Redis, RedisCache},
    config::Config,
    db::{
        Db, DbOptions,
        position::Positions,
        submit::Submitter,
        users::{self, Role},
    },
    events::MemoryEvents,
    key::Key,
    lifecycle::Lifecycle,
    model_spec::Catalog,
    queue::MemoryDoorbell,
    telemetry::probes::Probes,
};
use lamplighter_testkit::{http_client, postgres::Postgres, redis};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The password of everybody who has one.
pub const PASSWORD: &str = "nine copper lanterns";

pub struct World {
    pub redis: redis::Redis,
    pub database: String,
    nodes: Vec<SocketAddr>,
    http: reqwest::Client,
    lifecycle: Lifecycle,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// Who asks: from where, and what their browser keeps.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// What the proxy in front says of the address.
    pub address: Option<String>,
    /// `NAME=VALUE`.
    pub cookies: Vec<String>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.hard.cancel();
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// `change` changes the settings. This machine is a proxy in front, so that tests can come from anywhere.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (database, url) = Postgres::shared().create_database();
        let redis = redis::Redis::start();
        let db = Db::connect(&url).await.expect("a database");
        db.migrate().await.expect("migrated");
        let mut config = Config::default();
        config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
        change(&mut config);
        let (key, config) = (Arc::new(Key::generate().expect("a key")), Arc::new(config));
        let lifecycle = Lifecycle::default();
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let options = DbOptions {
                connections: 8,
                ..DbOptions::default()
            };
            let db = Db::connect_with(&url, &options).await.expect("a database");
            let link = Redis::connect(&redis.url()).expect("an address");
            assert!(link.connected_within(Duration::from_secs(10)).await);
            let state = ApiState {
                submitter: Submitter::start(db.clone(), &lifecycle, Duration::from_secs(60)),
                positions: Arc::new(Positions::new(db.clone())),
                probes: Probes::new(&db),
                db,
                events: Arc::new(MemoryEvents::default()),
                doorbell: Arc::new(MemoryDoorbell::default()),
                // Believed as soon as it is connected.
                cache: Arc::new(RedisCache::with_quarantine(&link, Duration::ZERO)),
                catalog: Arc::new(Catalog::built_in()),
                config: config.clone(),
                key: key.clone(),
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            nodes.push(listener.local_addr().expect("an address"));
            tokio::spawn(lamplighter_api::serve(listener, state, lifecycle.clone()));
        }
        let world = Self {
            redis,
            database,
            nodes,
            http: http_client(),
            lifecycle,
        };
        for email in ["ada@example.org", "bob@example.org"] {
            users::create(&db, email, Role::User).await.expect("a user");
        }
        world.sql(&format!("UPDATE users SET password_hash = '{}'", hash(19_456, 2)));
        world
    }

    /// One statement behind everybody's back.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        Postgres::shared().query(&self.database, sql)
    }

    /// One number.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.sql(sql);
        let text = rows[0][0].as_deref().expect("a value");
        text.parse().expect("a number")
    }

    pub async fn ask(
        &self,
        node: usize,
        who: &Browser,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        Self::read(self.request(node, who, (method, path, body))).await
    }

    /// The same with one more header.
    pub async fn ask_with(
        &self,
        node: usize,
        who: &Browser,
        call: (Method, &str, Option<&Value>),
        (name, value): (HeaderName, HeaderValue),
    ) -> Answer {
        Self::read(self.request(node, who, call).header(name, value)).await
    }

    fn request(
        &self,
        node: usize,
        who: &Browser,
        (method, path, body): (Method, &str, Option<&Value>),
    ) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.nodes[node % 2]);
        let mut request = self.http.request(method, url);
        if let Some(address) = &who.address {
            request = request.header("x-forwarded-for", address);
        }
        if !who.cookies.is_empty() {
            request = request.header("cookie", who.cookies.join("; "));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request
    }

    async fn read(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a whole answer");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            headers,
            body,
        }
    }

    pub async fn login(&self, node: usize, who: &Browser, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.ask(node, who, Method::POST, "/v1/session", Some(&body))
            .await
    }

    /// A wrong password with headers that a proxy would set, and others would like to.
    pub async fn login_spoofed(&self, n: usize) -> Answer {
        let url = format!("http://{}/v1/session", self.nodes[n % 2]);
        let address = format!("10.7.{}.{}", n / 250, n % 250);
        let request = self
            .http
            .post(url)
            .header("x-forwarded-for", &address)
            .header("x-real-ip", &address)
            .header("forwarded", format!("for={address}"))
            .header("cf-connecting-ip", &address)
            .json(&json!({"email": format!("a{n}@example.org"), "password": "x"}));
        Self::read(request).await
    }

    /// Somebody's browser, logged in.
    pub async fn logged_in(&self, node: usize, email: &str) -> Browser {
        let address = format!("10.{}.{}.{}", octet(), octet(), octet());
        let mut browser = Browser::at(&address);
        let answer = self.login(node, &browser, email, PASSWORD).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        browser.keep(&answer);
        browser
    }

    /// The status of the current session.
    pub async fn current(&self, node: usize, who: &Browser) -> u16 {
        self.ask(node, who, Method::GET, "/v1/session", None).await.status
    }
}

impl Browser {
    pub fn at(address: &str) -> Self {
        Self {
            address: Some(address.to_owned()),
            cookies: Vec::new(),
        }
    }

    /// Keeps the cookies that an answer sets.
    pub fn keep(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            let pair = line.split(';').next().unwrap_or_default();
            let name = pair.split('=').next().unwrap_or_default();
            self.cookies.retain(|own| own.split('=').next() != Some(name));
            if !line.contains("Max-Age=0") {
                self.cookies.push(pair.to_owned());
            }
        }
    }

    /// The cookie with this name.
    pub fn cookie(&self, name: &str) -> Option<&String> {
        self.cookies
            .iter()
            .find(|own| own.split('=').next() == Some(name))
    }
}

impl Answer {
    pub fn set_cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all("set-cookie").iter();
        lines
            .map(|line| line.to_str().expect("text").to_owned())
            .collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// What must be equal where nothing may be told: status, names of headers, body.
    pub fn comparable(&self) -> (u16, Vec<String>, Value) {
        let mut body = self.body.clone();
        if let Some(problem) = body.as_object_mut() {
            problem.remove("request_id");
        }
        let mut names: Vec<String> = self.headers.keys().map(ToString::to_string).collect();
        names.sort();
        (self.status, names, body)
    }
}

fn octet() -> u8 {
    rand::random_range(1..255)
}

/// The hash of [`PASSWORD`] with this effort.
pub fn hash(memory_kib: u32, passes: u32) -> String {
    let params = Params::new(memory_kib, passes, 1, Some(32)).expect("parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(PASSWORD.as_bytes(), &rand::random::<[u8; 16]>())
        .expect("hashed")
        .to_string()
}
