//! An API over a private SQLite database, its two users with tokens, and a stand-in for a worker.
#![expect(dead_code, reason = "each test file uses its own part")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use lamplighter_api::{
    ApiState,
    auth::token::{self, NewApiToken},
};
use lamplighter_shared::{
    cache::{Cache, MemoryCache},
    catalog::publish,
    config::Config,
    db::{
        Db,
        claim::{Claimer, claim},
        finish::{Finish, Outcome, finish},
        position::Positions,
        submit::Submitter,
        users::{self, Role, User},
    },
    event::{EventId, JobEvent, Progress},
    events::{Events, MemoryEvents},
    id::JobId,
    job::Metrics,
    key::Key,
    lifecycle::Lifecycle,
    model_spec::Catalog,
    queue::MemoryDoorbell,
    telemetry::probes::Probes,
};
use poem::{
    Body, Endpoint, EndpointExt, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, Method, StatusCode},
};
use serde_json::{Value, json};

/// Everything a test works with.
pub struct World {
    pub state: ApiState,
    pub events: Arc<MemoryEvents>,
    pub lifecycle: Lifecycle,
    pub owner: User,
    pub token: String,
    pub other_token: String,
    api: BoxEndpoint<'static>,
    pub boot: uuid::Uuid,
    folder: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Read {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Read {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().expect("text"))
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose settings `change` has changed.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::connect(&format!("sqlite://{}/test.db", folder.path().display()))
            .await
            .expect("a database");
        db.migrate().await.expect("migrated");
        Self::build(db, folder, change).await
    }

    /// A world on this database, which is up to date.
    pub async fn on(db: Db) -> Self {
        Self::on_with(db, |_| {}).await
    }

    /// A world on this database whose settings `change` has changed.
    pub async fn on_with(db: Db, change: impl FnOnce(&mut Config)) -> Self {
        Self::build(db, tempfile::tempdir().expect("a folder"), change).await
    }

    async fn build(db: Db, folder: tempfile::TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let lifecycle = Lifecycle::default();
        let events = Arc::new(MemoryEvents::default());
        let mut config = Config::default();
        config.server.data_dir = folder.path().to_owned();
        change(&mut config);
        let mut catalog = Catalog::built_in();
        publish(&mut catalog, &config.models.public).expect("they are in the catalogue");
        let state = ApiState {
            submitter: Submitter::start(
                db.clone(),
                &lifecycle,
                Duration::from_secs(config.jobs.idempotency_seconds),
            ),
            positions: Arc::new(Positions::new(db.clone())),
            probes: Probes::new(&db),
            db,
            events: events.clone(),
            doorbell: Arc::new(MemoryDoorbell::default()),
            cache: Arc::new(MemoryCache::default()),
            catalog: Arc::new(catalog),
            config: Arc::new(config),
            key: Arc::new(Key::generate().expect("a key")),
        };
        let owner = users::create(&state.db, "owner@example.org", Role::Admin)
            .await
            .expect("a user");
        let other = users::create(&state.db, "other@example.org", Role::User)
            .await
            .expect("a user");
        let all = ["jobs:write", "jobs:read", "models:read"];
        let token = make_token(&state, &owner, &all).await;
        let other_token = make_token(&state, &other, &all).await;
        let api = lamplighter_api::build(state.clone()).boxed();
        Self {
            api,
            state,
            events,
            lifecycle,
            owner,
            token,
            other_token,
            boot: uuid::Uuid::now_v7(),
            folder,
        }
    }

    /// The same world with events that come another way.
    pub fn carried_by(&mut self, events: Arc<dyn Events>) {
        self.state.events = events;
        self.api = lamplighter_api::build(self.state.clone()).boxed();
    }

    /// The same world with another cache.
    pub fn remembered_by(&mut self, cache: Arc<dyn Cache>) {
        self.state.cache = cache;
        self.api = lamplighter_api::build(self.state.clone()).boxed();
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn api(&self) -> &BoxEndpoint<'static> {
        &self.api
    }

    pub async fn token_with(&self, scopes: &[&str]) -> String {
        make_token(&self.state, &self.owner, scopes).await
    }

    /// A request with the owner's token.
    pub fn request(&self, method: Method, path: &str) -> poem::RequestBuilder {
        Request::builder()
            .method(method)
            .uri_str(path)
            .header("authorization", self.bearer())
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    pub async fn get(&self, path: &str) -> Read {
        send(&self.api(), self.request(Method::GET, path).finish()).await
    }

    pub async fn post(&self, path: &str) -> Read {
        send(&self.api(), self.request(Method::POST, path).finish()).await
    }

    pub async fn delete(&self, path: &str) -> Read {
        send(&self.api(), self.request(Method::DELETE, path).finish()).await
    }

    pub fn submission(&self) -> poem::RequestBuilder {
        self.request(Method::POST, "/v1/jobs")
            .content_type("application/json")
    }

    pub async fn submit(&self, body: &Value) -> Read {
        send(&self.api(), self.submission().body(body.to_string())).await
    }

    /// Submits an echo job and gives its identifier.
    pub async fn echo(&self) -> JobId {
        let read = self
            .submit(&json!({"model": "echo", "input": {"hello": "world"}}))
            .await;
        assert_eq!(read.status, StatusCode::ACCEPTED, "{}", read.text);
        read.json()["id"]
            .as_str()
            .expect("an id")
            .parse()
            .expect("a job's id")
    }

    /// How many jobs there are, of all users.
    pub async fn stored(&self) -> usize {
        let filter = lamplighter_shared::db::jobs::Filter {
            limit: 1000,
            ..Default::default()
        };
        lamplighter_shared::db::jobs::list(&self.state.db, self.owner.id, &filter)
            .await
            .expect("a list")
            .len()
    }

    /// Claims the job at the head of `echo`, as a worker would; its run.
    pub async fn claim(&self) -> (JobId, i64) {
        let claimer = Claimer {
            boot: self.boot,
            worker: "w".to_owned(),
            lease: Duration::from_secs(10),
        };
        let claimed = claim(&self.state.db, "echo", 1, &claimer).await.expect("claimed");
        let job = &claimed.first().expect("a job waits").job;
        self.events.publish(job.id, vec![JobEvent::Changed]).await;
        (job.id, job.epoch)
    }

    /// Ends a run, as a worker would.
    pub async fn finish(&self, run: (JobId, i64), outcome: Outcome, last_seq: u64) {
        let end = Finish {
            job: run.0,
            epoch: run.1,
            outcome,
            metrics: Metrics::default(),
            last_seq,
        };
        let done = finish(&self.state.db, self.boot, 3, &[end])
            .await
            .expect("finished");
        assert_eq!(done.len(), 1, "the run was stale");
        self.events.publish(run.0, vec![JobEvent::Changed]).await;
        self.events.close(run.0).await;
    }

    pub async fn tell(&self, run: (JobId, i64), seqs: impl IntoIterator<Item = u64>) {
        let events = seqs.into_iter().map(|seq| output(run.1, seq)).collect();
        self.events.publish(run.0, events).await;
    }
}

/// The event with this number: a piece of output, or every tenth a progress.
pub fn output(epoch: i64, seq: u64) -> JobEvent {
    let id = EventId { epoch, seq };
    if seq.is_multiple_of(10) {
        JobEvent::Progress {
            id,
            progress: Progress {
                fraction: 0.5,
                stage: "running".to_owned(),
            },
        }
    } else {
        JobEvent::Output {
            id,
            index: seq - 1,
            chunk: json!(format!("chunk {seq}")),
        }
    }
}

async fn make_token(state: &ApiState, user: &User, scopes: &[&str]) -> String {
    let new = NewApiToken {
        user: user.id,
        name: "test".to_owned(),
        scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
        expires_in: Duration::from_secs(3600),
        models: None,
    };
    token::create(&state.db, &state.key, new).await.expect("a token")
}

/// Sends a request and reads the answer whole.
pub async fn send(api: &impl Endpoint<Output = Response>, request: Request) -> Read {
    let mut response = api.get_response(request).await;
    let body: Body = response.take_body();
    let text = body.into_string().await.expect("text");
    Read {
        status: response.status(),
        headers: response.headers().clone(),
        text,
    }
}
