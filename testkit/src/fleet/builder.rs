//! What a fleet is to be, and its start.

use std::{ffi::OsString, fs, path::PathBuf};

use tempfile::TempDir;

use super::{Cluster, Fleet, Lines, Node, Role, node};
use crate::{
    postgres::{self, Postgres},
    proxy::Proxy,
    redis::{self, Redis},
    scenario,
};

/// How a fleet is to be.
#[derive(Debug)]
pub struct Builder {
    program: PathBuf,
    apis: usize,
    workers: usize,
    models: Vec<String>,
    catalogue: String,
    config: String,
    postgres: Option<postgres::Options>,
    redis: Option<redis::Options>,
    proxies: bool,
    alone: bool,
    seed: u64,
    env: Vec<(OsString, OsString)>,
    node_env: Vec<(String, OsString, OsString)>,
}

impl Builder {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            program,
            apis: 2,
            workers: 2,
            models: vec!["echo".to_owned()],
            catalogue: String::new(),
            config: String::new(),
            postgres: None,
            redis: Some(redis::Options::default()),
            proxies: false,
            alone: false,
            seed: 0,
            // Fault tests make the model misbehave.
            env: vec![("LAMPLIGHTER_WORKER__ECHO_FAULTS".into(), "true".into())],
            node_env: Vec::new(),
        }
    }

    /// So many API processes, `api-0` and on.
    #[must_use]
    pub fn apis(mut self, count: usize) -> Self {
        self.apis = count;
        self
    }

    /// So many worker processes, `worker-0` and on.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// Every worker serves these models, every API knows them.
    #[must_use]
    pub fn models<const N: usize>(mut self, ids: [&str; N]) -> Self {
        self.models = ids.map(str::to_owned).to_vec();
        self
    }

    /// The text of every process's `models.toml`.
    #[must_use]
    pub fn catalogue(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.catalogue);
        self
    }

    /// The text of every process's `lamplighter.toml`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.config);
        self
    }

    /// A Postgres server of the fleet's own, which may be stopped. Else it gets a database of its own in the
    /// durable server that the tests of this process share.
    #[must_use]
    pub fn own_postgres(mut self, options: postgres::Options) -> Self {
        self.postgres = Some(options);
        self
    }

    /// How its Redis is to be.
    #[must_use]
    pub fn redis(mut self, options: redis::Options) -> Self {
        self.redis = Some(options);
        self
    }

    /// No Redis: workers poll.
    #[must_use]
    pub fn without_redis(mut self) -> Self {
        self.redis = None;
        self
    }

    /// Every process reaches Postgres and Redis through proxies of its own ([`Node::lines`]).
    #[must_use]
    pub fn via_proxies(mut self, yes: bool) -> Self {
        self.proxies = yes;
        self
    }

    /// No other fleet of this test process runs at the same time: for bars about latency, or about every
    /// single answer. Else as many do as the machine has cores.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The seed of what the test leaves to chance; kept for it.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// One more environment variable of all processes.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// One more environment variable of one process (`api-0`, `worker-1`).
    #[must_use]
    pub fn env_of(mut self, node: &str, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.node_env.push((node.to_owned(), key.into(), value.into()));
        self
    }

    /// Waits for its turn, starts everything, and waits until every API is ready and every worker serves its
    /// models. A test that starts a second fleet drops the first before, or may wait for itself.
    ///
    /// # Panics
    /// Where something does not start; the message has its log.
    pub async fn start(self) -> Fleet {
        let turn = scenario::turn(self.alone).await;
        let scratch = tempfile::Builder::new()
            .prefix("lamplighter-fleet-")
            .tempdir()
            .expect("a temporary folder");
        let postgres = match &self.postgres {
            Some(options) => Cluster::Own(Box::new(Postgres::start_with(options))),
            None => Cluster::Shared(Postgres::shared()),
        };
        let redis = self.redis.clone().map(Redis::start_with);
        let database = match &postgres {
            Cluster::Own(postgres) => postgres.create_database().0,
            Cluster::Shared(postgres) => postgres.create_database().0,
        };
        let mut fleet = Fleet {
            apis: Vec::new(),
            workers: Vec::new(),
            redis,
            postgres,
            database,
            token: String::new(),
            seed: self.seed,
            program: self.program.clone(),
            env: self.env.clone(),
            scratch,
            _turn: turn,
        };
        fleet.env.push((
            "LAMPLIGHTER_SECRET_KEY_FILE".into(),
            fleet.scratch.path().join("secret.key").into(),
        ));
        let direct = self.addresses(&fleet, None);
        fleet.env.extend(direct);
        fs::create_dir(fleet.scratch.path().join("operator")).expect("the folder is new");
        fleet.run(&["secret", "create"]);
        fleet.run(&["migrate"]);
        fleet.token = fleet.run(&["token", "create"]);
        for number in 0..self.apis {
            fleet.apis.push(self.node(&fleet, Role::Api, number));
        }
        for number in 0..self.workers {
            fleet.workers.push(self.node(&fleet, Role::Worker, number));
        }
        // All are started before any is waited for.
        for node in fleet.apis.iter_mut().chain(&mut fleet.workers) {
            node.spawn().await;
        }
        for node in fleet.apis.iter_mut().chain(&mut fleet.workers) {
            node.ready().await;
        }
        fleet
    }

    /// A process that is not started yet.
    fn node(&self, fleet: &Fleet, role: Role, number: usize) -> Node {
        let name = format!("{}-{number}", role.word());
        let data_dir = make_data_dir(&fleet.scratch, &name, &self.config, &self.catalogue);
        let lines = self.proxies.then(|| Lines {
            postgres: Proxy::start(fleet.postgres().port()),
            redis: fleet.redis.as_ref().map(|redis| Proxy::start(redis.port())),
        });
        let ids: Vec<String> = self.models.iter().map(|id| format!("{id:?}")).collect();
        let mut env = fleet.env.clone();
        env.push((
            "LAMPLIGHTER_MODELS__ENABLED".into(),
            format!("[{}]", ids.join(",")).into(),
        ));
        env.extend(self.addresses(fleet, lines.as_ref()));
        let own = self.node_env.iter().filter(|(node, ..)| *node == name);
        env.extend(own.map(|(_, key, value)| (key.clone(), value.clone())));
        Node::new(node::Plan {
            role,
            log: fleet.scratch.path().join(format!("{name}.log")),
            name,
            program: self.program.clone(),
            data_dir,
            models: self.models.clone(),
            env,
            lines,
            sql: fleet.sql(),
        })
    }

    /// Where Postgres and Redis are, as variables; led through the proxies where there are some.
    fn addresses(&self, fleet: &Fleet, lines: Option<&Lines>) -> Vec<(OsString, OsString)> {
        let (direct, port) = (fleet.database_url(), fleet.postgres().port());
        let url = lines.map_or(direct.clone(), |lines| lines.postgres.url(&direct, port));
        let mut env = vec![("LAMPLIGHTER_DATABASE_URL".into(), url.into())];
        if let Some(redis) = &fleet.redis {
            let through = lines.and_then(|lines| lines.redis.as_ref());
            let url = through.map_or(redis.url(), |proxy| proxy.url(&redis.url(), redis.port()));
            env.push(("LAMPLIGHTER_REDIS_URL".into(), url.into()));
        }
        env
    }
}

fn make_data_dir(scratch: &TempDir, name: &str, config: &str, catalogue: &str) -> PathBuf {
    let dir = scratch.path().join(name);
    fs::create_dir(&dir).expect("each process has a name of its own");
    for (file, text) in [("lamplighter.toml", config), ("models.toml", catalogue)] {
        if !text.is_empty() {
            fs::write(dir.join(file), text).expect("the folder is ours");
        }
    }
    dir
}
