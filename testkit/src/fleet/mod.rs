//! A whole fleet of one's own: Postgres, Redis, API and worker processes, and faults for each of them.
//!
//! [`Fleet::builder`] says what is wanted; a started [`Fleet`] lends out its parts: [`Node`]s (processes that
//! can be killed, frozen and started again), the servers, the proxies between them, and clients. Everything
//! is in a folder of its own and ends with the test; the logs are printed when it has failed.

mod builder;
mod node;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub use self::{
    builder::Builder,
    node::{Node, Role},
};
use crate::{
    api::Api,
    http_client,
    postgres::{Postgres, Sql},
    proxy::Proxy,
    redis::Redis,
    scenario::Turn,
    server,
};

/// A running fleet.
///
/// Its parts are public where a test may want two of them at once.
#[derive(Debug)]
pub struct Fleet {
    // The order is that of dropping: processes end before what they use.
    /// The API processes.
    pub apis: Vec<Node>,
    /// The worker processes.
    pub workers: Vec<Node>,
    /// Redis, where there is one.
    pub redis: Option<Redis>,
    postgres: Cluster,
    database: String,
    token: String,
    seed: u64,
    program: PathBuf,
    env: Vec<(OsString, OsString)>,
    scratch: TempDir,
    _turn: Turn,
}

/// Where the database is.
#[derive(Debug)]
enum Cluster {
    Own(Box<Postgres>),
    /// A database of its own in the server that all tests of the process share.
    Shared(&'static Postgres),
}

/// The proxies of one process, where the fleet has them.
#[derive(Debug)]
pub struct Lines {
    /// To Postgres.
    pub postgres: Proxy,
    /// To Redis, where there is one.
    pub redis: Option<Proxy>,
}

impl Fleet {
    /// A fleet of two APIs and two workers that serve `echo`, with Redis; `program` is the `lamplighter`
    /// binary (`env!("CARGO_BIN_EXE_lamplighter")`).
    pub fn builder(program: impl Into<PathBuf>) -> Builder {
        Builder::new(program.into())
    }

    /// One API as the owner of the installation sees it. It stays at its address over restarts.
    pub fn api(&self, number: usize) -> Api {
        self.api_as(number, &self.token)
    }

    /// One API as the holder of a token sees it.
    pub fn api_as(&self, number: usize, token: &str) -> Api {
        Api::new(http_client(), self.apis[number].shared_address(), token)
    }

    /// All APIs, as the owner sees them.
    pub fn all_apis(&self) -> Vec<Api> {
        (0..self.apis.len()).map(|number| self.api(number)).collect()
    }

    /// The owner's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The seed the fleet was started with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The folder that ends with the fleet; histories are kept there.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Statements in the fleet's database, past all proxies.
    pub fn sql(&self) -> Sql {
        self.postgres().sql(&self.database)
    }

    /// The database server.
    pub fn postgres(&self) -> &Postgres {
        match &self.postgres {
            Cluster::Own(postgres) => postgres,
            Cluster::Shared(postgres) => postgres,
        }
    }

    /// The database server, to be stopped and started.
    ///
    /// # Panics
    /// Where it is not the fleet's own ([`Builder::own_postgres`]).
    pub fn postgres_mut(&mut self) -> &mut Postgres {
        match &mut self.postgres {
            Cluster::Own(postgres) => postgres,
            Cluster::Shared(_) => panic!("other tests use this Postgres: ask for `own_postgres`"),
        }
    }

    /// The Redis server, to be killed and started.
    ///
    /// # Panics
    /// Where the fleet has none.
    pub fn redis_mut(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("a fleet with Redis")
    }

    /// The address of the database, past all proxies.
    pub fn database_url(&self) -> String {
        self.postgres().url(&self.database)
    }

    /// Makes a token through the command line; the user is made where there is none.
    ///
    /// # Panics
    /// Where the command fails; the message has its words.
    pub fn create_token(&self, email: &str, scopes: &[&str]) -> String {
        let scopes = scopes.join(",");
        let mut arguments = vec!["token", "create", "--user", email];
        if !scopes.is_empty() {
            arguments.extend(["--scopes", &scopes]);
        }
        self.run(&arguments)
    }

    /// Runs the program against the fleet's database and returns what it printed.
    ///
    /// # Panics
    /// Where it fails; the message has its words.
    pub fn run(&self, arguments: &[&str]) -> String {
        run(self.command(arguments))
    }

    /// The program with these arguments, set up as an operator of the fleet would have it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = server::clean(&self.program);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.scratch.path().join("operator"))
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null());
        command
    }

    /// The process with this name (`api-0`, `worker-1`).
    ///
    /// # Panics
    /// Where there is none.
    pub fn node(&mut self, name: &str) -> &mut Node {
        let mut nodes = self.apis.iter_mut().chain(&mut self.workers);
        nodes
            .find(|node| node.name() == name)
            .unwrap_or_else(|| panic!("no process is called {name}"))
    }
}

/// Runs a command to its end and returns what it printed.
fn run(mut command: Command) -> String {
    let done = command.output().expect("the program can be started");
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}
