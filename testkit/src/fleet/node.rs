//! One process of a fleet, an API or a worker, and what can be done to it.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    path::PathBuf,
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, RwLock},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use super::Lines;
use crate::{http_client, port::free_port, postgres::Sql, process, server};

/// The most a process may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Lines of a log that a failed test shows.
const LOG_TAIL: usize = 100;

/// What a process does in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It serves HTTP.
    Api,
    /// It runs jobs.
    Worker,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// What a process is started from, the first time and again.
#[derive(Debug)]
pub(super) struct Plan {
    pub role: Role,
    pub name: String,
    pub program: PathBuf,
    pub data_dir: PathBuf,
    pub log: PathBuf,
    pub models: Vec<String>,
    pub env: Vec<(OsString, OsString)>,
    pub lines: Option<Lines>,
    pub sql: Sql,
}

/// A process of the fleet; killed when dropped.
#[derive(Debug)]
pub struct Node {
    plan: Plan,
    child: Option<Child>,
    /// `HOST:PORT`: of an API the API, of a worker its health; empty before the first start.
    address: Arc<RwLock<String>>,
    /// Boots of a worker of this name that are over.
    past_boots: Vec<String>,
}

impl Node {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            child: None,
            address: Arc::default(),
            past_boots: Vec::new(),
        }
    }

    /// Its name: `api-0`, `worker-1`. A worker's in the fleet is the same.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// What it does.
    pub fn role(&self) -> Role {
        self.plan.role
    }

    /// Its data folder.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.plan.data_dir
    }

    /// Its ways to the servers.
    ///
    /// # Panics
    /// Where the fleet has no proxies.
    pub fn lines(&self) -> &Lines {
        self.plan.lines.as_ref().expect("a fleet via proxies")
    }

    /// Where it listens: the API, or a worker's health.
    pub fn address(&self) -> String {
        self.address.read().expect("nobody panics with it").clone()
    }

    /// The same, as it changes.
    pub fn shared_address(&self) -> Arc<RwLock<String>> {
        self.address.clone()
    }

    /// Sets an environment variable from the next start on.
    pub fn set_env(&mut self, key: impl Into<OsString>, value: impl Into<OsString>) {
        self.plan.env.push((key.into(), value.into()));
    }

    /// Takes a variable of [`Node::set_env`] or the builder back, from the next start on.
    pub fn remove_env(&mut self, key: impl AsRef<OsStr>) {
        self.plan.env.retain(|(name, _)| name != key.as_ref());
    }

    /// The process id.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn pid(&self) -> u32 {
        let child = self.child.as_ref();
        child.unwrap_or_else(|| panic!("{} runs", self.plan.name)).id()
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its model runners: children that were started as `lamplighter runner`.
    pub fn runner_pids(&self) -> Vec<u32> {
        let is_runner = |pid: &u32| process::arguments(*pid).iter().any(|word| word == "runner");
        let children = process::children(self.pid());
        children.into_iter().filter(is_runner).collect()
    }

    /// Kills its runners (SIGKILL); how many there were.
    pub fn kill_runners(&self) -> usize {
        let runners = self.runner_pids();
        for pid in &runners {
            process::signal(*pid, Signal::SIGKILL);
        }
        runners.len()
    }

    /// Resident memory, KiB, without runners.
    pub fn rss_kb(&self) -> u64 {
        process::rss_kb(self.pid()).expect("it runs")
    }

    /// Kills it at once (SIGKILL) and waits until it is gone. One that is gone is fine.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            process::signal(child.id(), Signal::SIGKILL);
            let _ = child.wait();
        }
    }

    /// Asks it to end (SIGTERM), without waiting.
    pub fn sigterm(&self) {
        process::signal(self.pid(), Signal::SIGTERM);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// Where it has not within `limit`.
    pub async fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            let child = self.child.as_mut().expect("it was started");
            if let Some(status) = child.try_wait().expect("it is our child") {
                self.child = None;
                return status;
            }
            assert!(
                Instant::now() < end,
                "{} has not ended within {limit:?}",
                self.plan.name
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Freezes it, and its runners (SIGSTOP).
    pub fn pause(&self) {
        process::signal(self.pid(), Signal::SIGSTOP);
        for pid in self.runner_pids() {
            process::signal(pid, Signal::SIGSTOP);
        }
    }

    /// Lets a frozen one go on, its runners too.
    pub fn resume(&self) {
        for pid in self.runner_pids() {
            process::signal(pid, Signal::SIGCONT);
        }
        process::signal(self.pid(), Signal::SIGCONT);
    }

    /// Starts it again, an API at the same address, and waits until it is ready. One that still runs is
    /// killed first.
    ///
    /// # Panics
    /// Where it does not come up.
    pub async fn restart(&mut self) {
        self.kill9();
        self.spawn().await;
        self.ready().await;
    }

    /// Starts it without waiting until it is ready ([`Node::ready`]).
    ///
    /// # Panics
    /// Where it runs already.
    pub async fn spawn(&mut self) {
        assert!(!self.is_running(), "{} runs already", self.plan.name);
        if self.plan.role == Role::Worker {
            // Best effort: with the database away there is nothing to be confused with either.
            let boots = self.boots().await.unwrap_or_default();
            self.past_boots.extend(boots.into_iter().map(|(boot, _)| boot));
        }
        let _ = fs::remove_file(self.address_file());
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.plan.log)
            .expect("the log can be written");
        let mut command = server::clean(&self.plan.program);
        command.arg(self.plan.role.word());
        match self.plan.role {
            Role::Api => {
                let address = match self.address() {
                    first if first.is_empty() => format!("127.0.0.1:{}", free_port()),
                    again => again,
                };
                command.args(["--bind", &address]);
            }
            Role::Worker => {
                command.args(["--name", &self.plan.name, "--health-bind", "127.0.0.1:0"]);
                command.args(["--models", &self.plan.models.join(",")]);
            }
        }
        command
            .arg("--data-dir")
            .arg(&self.plan.data_dir)
            .envs(self.plan.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle can be copied"))
            .stderr(log);
        self.child = Some(process::spawn(command, Signal::SIGKILL));
    }

    /// Waits until an API is ready, or until a worker serves all its models.
    ///
    /// # Panics
    /// Where it ends, or is not ready within a minute; the message has its log.
    pub async fn ready(&mut self) {
        let began = Instant::now();
        let http = http_client();
        while began.elapsed() < READY_LIMIT {
            if !self.is_running() {
                panic!(
                    "{} ended before it was ready:\n{}",
                    self.plan.name,
                    self.log_tail()
                );
            }
            let address = fs::read_to_string(self.address_file()).unwrap_or_default();
            if !address.trim().is_empty() {
                let mut known = self.address.write().expect("nobody panics with it");
                address.trim().clone_into(&mut known);
            }
            let ready = match self.plan.role {
                Role::Api => !address.is_empty() && self.health_with(&http, "/readyz").await == Some(200),
                Role::Worker => self.serves_all().await,
            };
            if ready {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{} is not ready after {READY_LIMIT:?}:\n{}",
            self.plan.name,
            self.log_tail()
        );
    }

    /// Asks one of its own pages (`/readyz`, `/metrics`): status and text; none where nobody answers.
    pub async fn page(&self, path: &str) -> Option<(StatusCode, String)> {
        let url = format!("http://{}{path}", self.address());
        let answer = http_client()
            .get(url)
            .timeout(Duration::from_secs(5))
            .send()
            .await
            .ok()?;
        let status = answer.status();
        Some((status, answer.text().await.ok()?))
    }

    /// The whole log.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.plan.log).unwrap_or_default()
    }

    async fn health_with(&self, http: &reqwest::Client, path: &str) -> Option<u16> {
        let answer = http.get(format!("http://{}{path}", self.address())).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// Whether the fleet's list says so, for the present boot of this worker.
    async fn serves_all(&self) -> bool {
        let boots = self.boots().await.unwrap_or_default();
        let present = boots.iter().find(|(boot, _)| !self.past_boots.contains(boot));
        let status = |models: &Value, id: &str| models[id]["status"].as_str().unwrap_or_default().to_owned();
        present.is_some_and(|(_, models)| {
            let mut ids = self.plan.models.iter();
            ids.all(|id| matches!(status(models, id).as_str(), "ready" | "unloaded"))
        })
    }

    /// The boots of this worker that the database knows, and their models.
    async fn boots(&self) -> Result<Vec<(String, Value)>, String> {
        let sql = format!(
            "SELECT boot, models FROM workers WHERE name = '{}'",
            self.plan.name
        );
        let rows = self.plan.sql.try_query(&sql).await?;
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let read = |row: &Vec<Option<String>>| {
            let models = serde_json::from_str(&text(&row[1])).unwrap_or(Value::Null);
            (text(&row[0]), models)
        };
        Ok(rows.iter().map(read).collect())
    }

    fn address_file(&self) -> PathBuf {
        self.plan.data_dir.join(match self.plan.role {
            Role::Api => "server.addr",
            Role::Worker => "health.addr",
        })
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            // Not eprintln!: a second panic here would hide the first.
            let _ = writeln!(
                std::io::stderr(),
                "--- log of {} ---\n{}\n--- end ---",
                self.plan.name,
                self.log_tail()
            );
        }
    }
}
