//! Everything that people, admins and the server do which the audit log tells of, once.

use std::collections::HashMap;

use lamplighter_api::accounts::setup;
use lamplighter_shared::{
    config::{OidcProvider, Registration},
    db::{
        Db,
        retention::housekeeping,
        tasks::{self, TaskKind},
        users::{self, Role},
        workers::{self, Phase, Report},
    },
};
use lamplighter_testkit::postgres::Postgres;
use poem::{Request, http::Method};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, HOME, ready},
    issuer::{CLIENT, Issuer, SECRET},
    support::{Read, World, send},
};

const PASSWORD: &str = "seven quiet otters row home";
const OTHER: &str = "eight loud herons fly south";

/// An API where admins let people in, with an issuer.
pub struct Place {
    pub world: World,
    database: String,
    admin: String,
    issuer: Issuer,
    _secret: tempfile::NamedTempFile,
}

impl Place {
    pub async fn new() -> Self {
        ready();
        let issuer = Issuer::start().await;
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), SECRET).expect("written");
        let provider = OidcProvider {
            id: "one".to_owned(),
            name: "The One".to_owned(),
            issuer: issuer.address.clone(),
            client_id: CLIENT.to_owned(),
            client_secret_file: secret.path().to_owned(),
            scopes: vec!["email".to_owned(), "profile".to_owned()],
        };
        let (database, url) = Postgres::shared().create_database();
        let db = Db::connect(&url).await.expect("a database");
        db.migrate().await.expect("migrated");
        let world = World::on_with(db, |config| {
            config.server.public_url = HOME.to_owned();
            config.accounts.registration = Registration::Approval;
            config.accounts.register_burst = 1000;
            config.accounts.login_burst = 1000;
            config.accounts.max_failures = 3;
            config.oidc = vec![provider];
        })
        .await;
        let admin = world.token_with(&["admin", "jobs:read"]).await;
        Self {
            world,
            database,
            admin,
            issuer,
            _secret: secret,
        }
    }

    fn sql(&self, sql: &str) {
        Postgres::shared().query(&self.database, sql);
    }

    async fn send(&self, method: Method, path: &str, body: &Value, who: (&'static str, &str)) -> Read {
        let request = Request::builder()
            .method(method)
            .uri_str(path)
            .header(who.0, who.1);
        let request = match body.is_null() {
            true => request.finish(),
            false => request.content_type("application/json").body(body.to_string()),
        };
        send(self.world.api(), request).await
    }

    /// As somebody with this cookie; empty: as a stranger. It has to work.
    async fn person(&self, (method, path): (Method, &str), body: Value, cookie: &str) -> Read {
        let read = self.send(method, path, &body, ("cookie", cookie)).await;
        assert!(read.status.is_success(), "{path}: {}", read.text);
        read
    }

    /// As an administrator. It has to work.
    async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let bearer = format!("Bearer {}", self.admin);
        let read = self.send(method, path, &body, ("authorization", &bearer)).await;
        assert!(read.status.is_success(), "{path}: {}", read.text);
        serde_json::from_str(&read.text).unwrap_or_default()
    }

    /// The token of the newest mail.
    async fn mailed(&self) -> String {
        let mut mails = tasks::open(&self.world.state.db, TaskKind::Mail, 1000)
            .await
            .expect("tasks");
        mails.sort_by_key(|(id, _)| *id);
        let (_, payload) = mails.pop().expect("a mail");
        let envelope: Value = serde_json::from_str(&payload).expect("an envelope");
        let sealed = envelope["sealed"].as_str().expect("sealed");
        let text = self.world.state.key.open("mail:v1", sealed).expect("ours");
        let message: Value = serde_json::from_str(&text).expect("a message");
        message["token"].as_str().expect("a token").to_owned()
    }

    /// Logs in; the cookie.
    async fn log_in(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password});
        let read = self.person((Method::POST, "/v1/session"), body, "").await;
        let mut cookies = read.headers.get_all("set-cookie").iter();
        let cookie = cookies.find_map(|line| line.to_str().ok().filter(|line| line.starts_with("sid=")));
        let cookie = cookie.expect("a cookie").split(';').next();
        cookie.expect("a pair").to_owned()
    }

    /// All of it.
    pub async fn live(&self) {
        let ada = "ada@example.org";
        self.enter(ada).await;
        self.forget_the_password(ada).await;
        let cookie = self.log_in(ada, OTHER).await;
        self.use_tokens(ada, &cookie).await;
        self.change_oneself(&cookie).await;
        self.be_governed(ada).await;
        self.leave(ada).await;
        self.set_up().await;
        self.link().await;
    }

    /// Registering, with a wrong link first; let in by an admin.
    async fn enter(&self, email: &str) {
        let body = json!({"email": email, "password": PASSWORD});
        self.person((Method::POST, "/v1/account/register"), body, "")
            .await;
        for (path, body) in [
            ("/v1/account/verify", json!({"token": "wrong"})),
            (
                "/v1/account/reset",
                json!({"token": "wrong", "password": PASSWORD}),
            ),
            (
                "/v1/setup",
                json!({"token": "wrong", "email": email, "password": PASSWORD}),
            ),
        ] {
            let refused = self.send(Method::POST, path, &body, ("accept", "*/*")).await;
            assert_eq!(refused.status.as_u16(), 422, "{path}: {}", refused.text);
        }
        let body = json!({"token": self.mailed().await});
        self.person((Method::POST, "/v1/account/verify"), body, "").await;
        let path = self.path_of(email).await;
        self.admin(Method::PATCH, &path, json!({"approved": true})).await;
        let wrong = json!({"email": email, "password": OTHER});
        let refused = self
            .send(Method::POST, "/v1/session", &wrong, ("accept", "*/*"))
            .await;
        assert_eq!(refused.status.as_u16(), 401);
        // Beyond the limit of an address.
        let guess = json!({"email": "nobody@example.org", "password": OTHER});
        for status in [401, 401, 401, 429, 429, 429] {
            let refused = self
                .send(Method::POST, "/v1/session", &guess, ("accept", "*/*"))
                .await;
            assert_eq!(refused.status.as_u16(), status);
        }
    }

    async fn path_of(&self, email: &str) -> String {
        let user = users::by_email(&self.world.state.db, email).await.expect("read");
        format!("/v1/users/{}", user.expect("a user").id)
    }

    async fn forget_the_password(&self, email: &str) {
        self.person((Method::POST, "/v1/account/recover"), json!({"email": email}), "")
            .await;
        let body = json!({"token": self.mailed().await, "password": OTHER});
        self.person((Method::POST, "/v1/account/reset"), body, "").await;
    }

    async fn use_tokens(&self, email: &str, cookie: &str) {
        let new = json!({"name": "x", "scopes": ["jobs:read"], "expires_in_seconds": 3600});
        let made = self
            .person((Method::POST, "/v1/tokens"), new.clone(), cookie)
            .await
            .json();
        let id = made["id"].as_str().expect("an id");
        let rotate = format!("/v1/tokens/{id}/rotate");
        let rotated = self
            .person((Method::POST, &rotate), json!({}), cookie)
            .await
            .json();
        let id = rotated["id"].as_str().expect("an id");
        let path = format!("{}/tokens/{id}", self.path_of(email).await);
        self.admin(Method::PATCH, &path, json!({"plan": "pro"})).await;
        let revoke = format!("/v1/tokens/{id}/revoke");
        self.person((Method::POST, &revoke), Value::Null, cookie).await;
        let delete = format!("/v1/tokens/{id}");
        self.person((Method::DELETE, &delete), Value::Null, cookie).await;
    }

    async fn change_oneself(&self, cookie: &str) {
        let body = json!({"display_name": "Ada", "email": "countess@example.org"});
        self.person((Method::PATCH, "/v1/account"), body, cookie).await;
        let wrong = json!({"current_password": "wrong", "new_password": PASSWORD});
        let refused = self
            .send(Method::POST, "/v1/account/password", &wrong, ("cookie", cookie))
            .await;
        assert_eq!(refused.status.as_u16(), 401);
        let body = json!({"current_password": OTHER, "new_password": PASSWORD});
        self.person((Method::POST, "/v1/account/password"), body, cookie)
            .await;
        self.person((Method::DELETE, "/v1/session"), Value::Null, cookie)
            .await;
    }

    /// What admins do.
    async fn be_governed(&self, email: &str) {
        let path = self.path_of(email).await;
        for change in [
            json!({"role": "admin"}),
            json!({"role": "user"}),
            json!({"plan": "pro"}),
            json!({"disabled": true}),
            json!({"disabled": false}),
        ] {
            self.admin(Method::PATCH, &path, change).await;
        }
        self.admin(Method::PATCH, "/v1/plans/basic", json!({"jobs_per_day": 7}))
            .await;
        let invited = self
            .admin(
                Method::POST,
                "/v1/invitations",
                json!({"email": "i@example.org", "role": "admin"}),
            )
            .await;
        let path = format!("/v1/invitations/{}", invited["id"].as_str().expect("an id"));
        self.admin(Method::DELETE, &path, Value::Null).await;
        self.sql("UPDATE tasks SET dead_at = 1 WHERE id = (SELECT max(id::text)::uuid FROM tasks WHERE kind = 'mail')");
        let dead = self
            .admin(Method::GET, "/v1/outbox?state=dead", Value::Null)
            .await;
        let path = format!(
            "/v1/outbox/{}/retry",
            dead["data"][0]["id"].as_str().expect("a mail")
        );
        self.admin(Method::POST, &path, Value::Null).await;
        let report = Report {
            boot: uuid::Uuid::now_v7(),
            name: "w".to_owned(),
            host: "h".to_owned(),
            version: "1".to_owned(),
            device: "cpu".to_owned(),
            memory_bytes: 0,
            memory_used_bytes: 0,
            in_flight: 0,
            phase: Phase::Active,
            models: HashMap::new(),
        };
        workers::report(&self.world.state.db, &report)
            .await
            .expect("a worker");
        let workers = self.admin(Method::GET, "/v1/workers", Value::Null).await;
        let path = format!(
            "/v1/workers/{}/drain",
            workers["data"][0]["id"].as_str().expect("a worker")
        );
        self.admin(Method::POST, &path, Value::Null).await;
        for enabled in [false, true] {
            self.admin(Method::PATCH, "/v1/models/echo", json!({"enabled": enabled}))
                .await;
        }
    }

    /// Deleted, restored, and deleted for good.
    async fn leave(&self, email: &str) {
        for _ in 0..2 {
            let cookie = self.log_in(email, PASSWORD).await;
            self.person((Method::DELETE, "/v1/account"), Value::Null, &cookie)
                .await;
        }
        self.sql(&format!("UPDATE users SET delete_at = 1 WHERE email = '{email}'"));
        let retention = &self.world.state.config.retention;
        housekeeping(&self.world.state.db, retention)
            .await
            .expect("housekeeping");
    }

    /// The account of a set-up token, whose owner logs out everywhere.
    async fn set_up(&self) {
        let db = &self.world.state.db;
        let user = users::create(db, "owner@localhost", Role::User)
            .await
            .expect("a user");
        let token = setup::issue(db, &user).await.expect("a token");
        let body = json!({"token": token, "email": "grace@example.org", "password": PASSWORD});
        self.person((Method::POST, "/v1/setup"), body, "").await;
        let cookie = self.log_in("grace@example.org", PASSWORD).await;
        self.person((Method::DELETE, "/v1/sessions"), Value::Null, &cookie)
            .await;
    }

    /// A login at an issuer beside the password, and taken away again.
    async fn link(&self) {
        self.issuer.person("1", "grace@example.org", true);
        let cookie = self.log_in("grace@example.org", PASSWORD).await;
        let mut browser = Browser {
            site: Some("same-origin"),
            ..Browser::default()
        };
        let (name, value) = cookie.split_once('=').expect("a pair");
        browser.cookies.insert(name.to_owned(), value.to_owned());
        let mut stranger = Browser::default();
        let callback = stranger.reach_callback(&self.world, "/v1/session/oidc/one").await;
        let refused = stranger
            .get(&self.world, &format!("{callback}&error=access_denied"))
            .await;
        assert_eq!(refused.header("location"), "/login#error=proof_invalid");
        let done = browser
            .login(&self.world, "/v1/session/oidc/one?link=true&return_to=/account")
            .await;
        assert_eq!(done.header("location"), "/account", "{}", done.text);
        // Another login, another cookie.
        let cookie = format!("{name}={}", browser.cookies[name]);
        let account = self
            .person((Method::GET, "/v1/account"), Value::Null, &cookie)
            .await
            .json();
        let id = account["identities"][0]["id"].as_str().expect("an id");
        let path = format!("/v1/account/identities/{id}");
        self.person((Method::DELETE, &path), Value::Null, &cookie).await;
    }
}
