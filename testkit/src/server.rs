//! A real `lamplighter serve` in a process and a folder of its own.
//!
//! The caller names the program (`env!("CARGO_BIN_EXE_lamplighter")` in the root package's tests). The
//! server is killed when dropped; its log is printed when the test has failed.

use std::{
    ffi::OsString,
    fs,
    io::Write,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, RwLock},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{api::Api, http_client, process};

/// The most a server may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Lines of the log that a failed test shows.
const LOG_TAIL: usize = 200;

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    program: PathBuf,
    data_dir: Option<PathBuf>,
    models: Vec<String>,
    config: String,
    env: Vec<(OsString, OsString)>,
}

impl Options {
    /// A server with the `echo` model only, in a temporary folder. `program` is the `lamplighter` binary.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            data_dir: None,
            models: vec!["echo".to_owned()],
            config: String::new(),
            env: Vec::new(),
        }
    }

    /// Uses (and keeps) this data folder instead of a temporary one.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// Serves these models instead of `echo`. Files come from `LAMPLIGHTER_MODELS_DIR`, else from the
    /// workspace's `data/models`, and are fetched once.
    #[must_use]
    pub fn models(mut self, ids: &[&str]) -> Self {
        self.models = ids.iter().map(|&id| id.to_owned()).collect();
        self
    }

    /// The text of `lamplighter.toml`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.config);
        self
    }

    /// One more environment variable of the server.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Starts it and waits until `/readyz` answers 200.
    ///
    /// # Panics
    /// Where it ends or is not ready in time; the message has its log.
    pub async fn start(self) -> Server {
        let scratch = tempfile::Builder::new()
            .prefix("lamplighter-")
            .tempdir()
            .expect("a temporary folder");
        let data_dir = self
            .data_dir
            .clone()
            .unwrap_or_else(|| scratch.path().join("data"));
        fs::create_dir_all(&data_dir).expect("the data folder can be made");
        if !self.config.is_empty() {
            fs::write(data_dir.join("lamplighter.toml"), &self.config).expect("the data folder is writable");
        }
        let api = Api::new(http_client(), Arc::default(), "");
        let (address, ready_in) = (Arc::default(), Duration::ZERO);
        let mut server = Server {
            options: self,
            data_dir,
            scratch,
            child: None,
            address,
            api,
            ready_in,
        };
        server.launch().await;
        server
    }
}

/// A running server, as its owner: what [`Api`] can do, it can do.
#[derive(Debug)]
pub struct Server {
    options: Options,
    data_dir: PathBuf,
    scratch: TempDir,
    child: Option<Child>,
    address: Arc<RwLock<String>>,
    api: Api,
    ready_in: Duration,
}

impl Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Server {
    /// The API as the owner sees it.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The API as the holder of a token sees it.
    pub fn api_as(&self, token: &str) -> Api {
        self.api.with_token(token)
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// From the start of the process to the first 200 of `/readyz`.
    pub fn ready_in(&self) -> Duration {
        self.ready_in
    }

    /// Makes a token through the command line; the user is made where there is none.
    ///
    /// # Panics
    /// Where the command fails; the message has its words.
    pub fn create_token(&self, email: &str, scopes: &[&str]) -> String {
        let mut command = self.command(&["token", "create", "--user", email]);
        if !scopes.is_empty() {
            command.args(["--scopes", &scopes.join(",")]);
        }
        let done = command.output().expect("the program can be started");
        let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        assert!(
            done.status.success() && !text.is_empty(),
            "token create: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        text
    }

    /// The program with these arguments, set up for this server's folder and address.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.options);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .stdin(Stdio::null());
        command
    }

    /// The process id of the server.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// The model runners: children that were started as `lamplighter runner`.
    pub fn runner_pids(&self) -> Vec<u32> {
        let is_runner = |pid: &u32| {
            process::arguments(*pid)
                .iter()
                .any(|argument| argument == "runner")
        };
        process::children(self.pid())
            .into_iter()
            .filter(is_runner)
            .collect()
    }

    /// Resident memory of the server, KiB, without its runners.
    pub fn rss_kb(&self) -> u64 {
        process::rss_kb(self.pid()).expect("the server runs")
    }

    /// Kills the server at once (SIGKILL) and waits until it is gone.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            process::signal(child.id(), Signal::SIGKILL);
            let _ = child.wait();
        }
    }

    /// Asks the server to end (SIGTERM), without waiting.
    pub fn sigterm(&self) {
        process::signal(self.pid(), Signal::SIGTERM);
    }

    /// Waits until the server has ended by itself.
    ///
    /// # Panics
    /// Where it has not within `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        process::wait_at_most(&mut child, limit).unwrap_or_else(|| {
            process::signal(child.id(), Signal::SIGKILL);
            let _ = child.wait();
            panic!(
                "the server has not ended within {limit:?}; its log:\n{}",
                self.log_tail()
            )
        })
    }

    /// Ends the server softly and waits.
    ///
    /// # Panics
    /// Where it has not ended within 60 s.
    pub fn stop(&mut self) -> ExitStatus {
        self.sigterm();
        self.wait_exit(Duration::from_secs(60))
    }

    /// Starts it again on the same folder and, where it is still free, the same address. A server that
    /// still runs is killed first.
    ///
    /// # Panics
    /// As [`Options::start`].
    pub async fn restart(&mut self) {
        self.kill9();
        self.launch().await;
    }

    /// The whole log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    async fn launch(&mut self) {
        let previous = self.api.address();
        let bind = if previous.is_empty() {
            "127.0.0.1:0".to_owned()
        } else {
            previous
        };
        if self.try_launch(&bind).await.is_err() && bind != "127.0.0.1:0" {
            // Somebody may have taken our port while we were down.
            if let Err(how) = self.try_launch("127.0.0.1:0").await {
                panic!("{how}; its log:\n{}", self.log_tail());
            }
        } else if self.child.is_none() {
            panic!("the server does not start; its log:\n{}", self.log_tail());
        }
    }

    async fn try_launch(&mut self, bind: &str) -> Result<(), String> {
        let address_file = self.data_dir.join("server.addr");
        let _ = fs::remove_file(&address_file);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("the log can be written");
        let mut command = program(&self.options);
        command
            .args(["serve", "--bind", bind, "--data-dir"])
            .arg(&self.data_dir);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle can be copied"))
            .stderr(log);
        let http = http_client();
        let started = Instant::now();
        let mut child = process::spawn(command, Signal::SIGKILL);
        while started.elapsed() < READY_LIMIT {
            if let Some(status) = child.try_wait().expect("it is our child") {
                return Err(format!("the server ended ({status}) before it was ready"));
            }
            let address = fs::read_to_string(&address_file)
                .unwrap_or_default()
                .trim()
                .to_owned();
            if !address.is_empty() && is_ready(&http, &address).await {
                self.ready_in = started.elapsed();
                *self
                    .address
                    .write()
                    .expect("nobody panics while writing an address") = address;
                let token = fs::read_to_string(self.data_dir.join("owner.token")).unwrap_or_default();
                self.api = Api::new(http_client(), self.address.clone(), token.trim());
                self.child = Some(child);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        process::signal(child.id(), Signal::SIGKILL);
        let _ = child.wait();
        Err(format!("the server was not ready within {READY_LIMIT:?}"))
    }

    fn log_path(&self) -> PathBuf {
        self.scratch.path().join("server.log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            // Not eprintln!: a second panic here would hide the first.
            let _ = writeln!(
                std::io::stderr(),
                "--- log of the server ---\n{}\n--- end ---",
                self.log_tail()
            );
        }
    }
}

async fn is_ready(http: &reqwest::Client, address: &str) -> bool {
    let answer = http.get(format!("http://{address}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().as_u16() == 200)
}

/// The program as these options want it.
fn program(options: &Options) -> Command {
    let mut command = clean(&options.program);
    let ids: Vec<String> = options.models.iter().map(|id| format!("{id:?}")).collect();
    command.env("LAMPLIGHTER_MODELS__ENABLED", format!("[{}]", ids.join(",")));
    command.envs(options.env.iter().map(|(key, value)| (key, value)));
    command
}

/// A program with a clean environment of ours: what the machine has set does not reach the test.
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("LAMPLIGHTER_") {
            command.env_remove(key);
        }
    }
    let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR").map_or_else(workspace_models, PathBuf::from);
    command.env("LAMPLIGHTER_MODELS_DIR", models);
    command
}

/// Where `make run` keeps its models.
fn workspace_models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("data")
        .join("models")
}
