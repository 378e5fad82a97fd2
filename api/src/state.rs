//! What the handlers work with: [`ApiState`] is what the process gives, [`App`] adds what is computed
//! from it once (compiled schemas) and what this process counts (open streams).

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    cache::Cache,
    config::Config,
    db::{Db, Dialect, api_tokens, position::Positions, sessions, submit::Submitter},
    events::Events,
    key::Key,
    model_spec::{Catalog, ModelSpec},
    queue::Doorbell,
    task::Task,
    telemetry::probes::Probes,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    auth::{
        cookies::Cookies, lookup::Lookup, oidc::Issuers, password::Passwords, rate::RequestRate, source::Idle,
    },
    body_room::BodyRoom,
    create_job,
    mail::MailOutbox,
    plans::Plans,
    queue_room::QueueRoom,
    schema::Schema,
    stream_slots::StreamSlots,
    switches::Switches,
};

/// What the process gives to the HTTP side.
#[derive(Clone)]
pub struct ApiState {
    /// The truth.
    pub db: Db,
    /// Stores submitted jobs.
    pub submitter: Submitter,
    /// Carries events of running jobs.
    pub events: Arc<dyn Events>,
    /// Wakes workers.
    pub doorbell: Arc<dyn Doorbell>,
    /// What processes remember for a while: tokens, rates.
    pub cache: Arc<dyn Cache>,
    /// Knows places in the queue.
    pub positions: Arc<Positions>,
    /// The models that are served here; a model that is not in it does not exist.
    pub catalog: Arc<Catalog>,
    /// The settings.
    pub config: Arc<Config>,
    /// Seals and opens tokens.
    pub key: Arc<Key>,
    /// Tells whether what this process needs is there.
    pub probes: Probes,
}

/// The state of a built API.
pub struct App {
    pub(crate) db: Db,
    pub(crate) submitter: Submitter,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) doorbell: Arc<dyn Doorbell>,
    pub(crate) positions: Arc<Positions>,
    pub(crate) config: Arc<Config>,
    pub(crate) key: Arc<Key>,
    pub(crate) probes: Probes,
    pub(crate) catalog: Arc<Catalog>,
    /// The models that may be tried without an account.
    pub(crate) public_models: Vec<String>,
    /// Input schemas by model and task.
    inputs: HashMap<String, HashMap<Task, Schema>>,
    /// Schema of the body of `POST /v1/jobs`.
    pub(crate) create_job: Schema,
    pub(crate) streams: Arc<StreamSlots>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) tokens: Lookup<api_tokens::Live>,
    pub(crate) sessions: Lookup<sessions::Live>,
    pub(crate) cookies: Cookies,
    pub(crate) passwords: Passwords,
    pub(crate) oidc: Issuers,
    pub(crate) plans: Plans,
    pub(crate) switches: Switches,
    pub(crate) request_rate: RequestRate,
    pub(crate) outbox: MailOutbox,
    /// Where links in mails lead, without a slash at its end.
    public_url: String,
    pub(crate) queue_room: QueueRoom,
    pub(crate) body_room: Arc<BodyRoom>,
    /// Whether a model takes pictures or sounds: submissions may be large then.
    pub(crate) takes_media: bool,
    touched: Mutex<HashMap<Uuid, Instant>>,
    /// Cancelled when the process stops: streams and waits end.
    pub(crate) stop: CancellationToken,
}

/// How exactly it is kept when a token or session was last used.
pub(crate) const TOUCH_GRAIN: Duration = Duration::from_secs(60);

impl App {
    /// Compiles what requests need.
    pub(crate) fn new(state: ApiState, stop: CancellationToken) -> Self {
        let compile = |schema: &serde_json::Value| {
            Schema::new(schema).expect("schemas of ours compile: a test does so")
        };
        let inputs = |(id, spec): (&String, &ModelSpec)| {
            let input = |task: &Task| (*task, compile(&task.input_schema(spec.limits.max_job_items)));
            (id.clone(), spec.tasks.iter().map(input).collect())
        };
        Self {
            inputs: state.catalog.0.iter().map(inputs).collect(),
            public_models: public(&state.catalog),
            create_job: compile(&create_job::body_schema(&state.config.jobs)),
            streams: StreamSlots::new(state.config.server.streams_per_owner),
            tokens: Lookup::new(state.db.clone(), state.cache.clone(), ()),
            sessions: Lookup::new(state.db.clone(), state.cache.clone(), Idle(idle(&state.config))),
            cookies: Cookies::of(&state.config.server),
            passwords: Passwords::new(state.config.accounts.min_password_length),
            plans: Plans::new(&state.config, state.db.clone()),
            switches: Switches::new(state.db.clone()),
            queue_room: QueueRoom::new(state.config.limits.waiting),
            body_room: BodyRoom::new(state.config.server.body_memory_bytes),
            takes_media: takes_media(&state.catalog),
            oidc: Issuers::of(&state.config),
            request_rate: RequestRate::new(state.cache.clone(), state.db.dialect() == Dialect::Sqlite),
            outbox: MailOutbox::default(),
            public_url: public_url(&state.config, &state.config.server.bind),
            cache: state.cache,
            touched: Mutex::default(),
            stop,
            db: state.db,
            submitter: state.submitter,
            events: state.events,
            doorbell: state.doorbell,
            positions: state.positions,
            config: state.config,
            key: state.key,
            probes: state.probes,
            catalog: state.catalog,
        }
    }

    /// Says where this process listens, for links: the settings may leave the port to the system.
    #[must_use]
    pub(crate) fn listening_at(mut self, address: SocketAddr) -> Self {
        self.public_url = public_url(&self.config, &address.to_string());
        self
    }

    /// The address that people use, without a slash at its end: `server.public_url`, else the address bound.
    pub(crate) fn public_url(&self) -> &str {
        &self.public_url
    }

    /// How long a session lasts without use, milliseconds.
    pub(crate) fn idle_ms(&self) -> i64 {
        i64::try_from(idle(&self.config).as_millis()).unwrap_or(i64::MAX / 2)
    }

    /// The schema of the input of one of a model's tasks.
    pub(crate) fn input_schema(&self, spec: &ModelSpec, task: Task) -> Option<&Schema> {
        self.inputs.get(&spec.id)?.get(&task)
    }

    /// Whether a model may be tried without an account.
    pub(crate) fn is_public(&self, id: &str) -> bool {
        self.public_models.iter().any(|public| public == id)
    }

    /// How exactly it is kept when a session was last used: it must not end while it is used.
    pub(crate) fn session_grain(&self) -> Duration {
        TOUCH_GRAIN.min(idle(&self.config) / 4)
    }

    /// Whether it is time to note the use of a token or session; says so at most once in `grain`.
    pub(crate) fn should_touch(&self, proof: Uuid, grain: Duration) -> bool {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if touched.get(&proof).is_some_and(|last| now - *last < grain) {
            return false;
        }
        // What is not used any more leaves again.
        touched.retain(|_, last| now - *last < TOUCH_GRAIN);
        touched.insert(proof, now);
        true
    }
}

fn public(catalog: &Catalog) -> Vec<String> {
    let public = catalog.0.values().filter(|spec| spec.public);
    public.map(|spec| spec.id.clone()).collect()
}

fn takes_media(catalog: &Catalog) -> bool {
    let mut tasks = catalog.0.values().flat_map(|spec| &spec.tasks);
    tasks.any(|task| task.takes_media())
}

fn public_url(config: &Config, bound: &str) -> String {
    if let Some(origin) = config.server.public_origin() {
        return origin.to_string();
    }
    match bound.rsplit_once(':') {
        // Good for this machine only, and there every address is this one.
        Some(("0.0.0.0" | "[::]", port)) => format!("http://127.0.0.1:{port}"),
        _ => format!("http://{bound}"),
    }
}

fn idle(config: &Config) -> Duration {
    Duration::from_secs_f64(config.accounts.session_idle_hours * 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_public_address_or_to_the_one_bound() {
        let mut config = Config::default();
        for (bound, expected) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:81", "http://127.0.0.1:81"),
            ("[::]:81", "http://127.0.0.1:81"),
            ("[::1]:81", "http://[::1]:81"),
        ] {
            assert_eq!(public_url(&config, bound), expected);
        }
        config.server.public_url = "https://ai.example.org/".to_owned();
        assert_eq!(public_url(&config, "0.0.0.0:81"), "https://ai.example.org");
    }
}
