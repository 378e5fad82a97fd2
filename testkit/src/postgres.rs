//! A Postgres server of the test's own: a fresh cluster in a temporary folder on a free port.
//!
//! It needs the programs (`initdb`, `postgres`), not a running service. Postgres refuses to run as root,
//! so root starts it as `postgres`, or else `nobody`. A small shell outlives the test process for a
//! moment, stops the server and removes the folder, even where the test was killed.

use std::{
    env, fs,
    io::Write,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{sys::signal::Signal, unistd::User};

use crate::{port::free_port, process, wire};

/// The superuser of every cluster made here; it needs no password from 127.0.0.1.
const SUPERUSER: &str = "lamplighter";
const START_LIMIT: Duration = Duration::from_secs(60);
const MISSING: &str = "Postgres is not installed (no `initdb` in PATH or in /usr/lib/postgresql/*/bin): \
    install the package `postgresql`, for example `apt-get install postgresql`";

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether commits reach the disk. Off is only for tests that measure nothing and lose nothing.
    pub fsync: bool,
    /// Further settings, `name=value`.
    pub settings: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: true,
            settings: Vec::new(),
        }
    }
}

/// How a server is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Transactions are broken off, everything is written out.
    Fast,
    /// As a crash: the next start has to recover from the log.
    Immediate,
}

/// A server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Postgres {
    site: Site,
    /// None while it is stopped.
    server: Option<Child>,
    /// The shell that cleans up; its standard input tells it the server's number, and its end that we are gone.
    janitor: Child,
    databases: AtomicU64,
}

/// What a server needs to start, the first time and again.
#[derive(Debug)]
struct Site {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    options: Options,
    account: Option<User>,
}

impl Postgres {
    /// Starts a durable server.
    ///
    /// # Panics
    /// Where Postgres is not installed (the message says what to install) or does not start.
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    /// Starts a server.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub fn start_with(options: &Options) -> Self {
        let programs = programs().unwrap_or_else(|| panic!("{MISSING}"));
        let home = tempfile::Builder::new()
            .prefix("lamplighter-pg-")
            .tempdir()
            .expect("a temporary folder");
        let account = account();
        let data = home.path().join("data");
        if let Some(account) = &account {
            let (uid, gid) = (account.uid.as_raw(), account.gid.as_raw());
            chown(home.path(), Some(uid), Some(gid)).expect("root may give a folder away");
        }
        run_initdb(&programs, &data, account.as_ref());
        let mut site = Site {
            programs,
            data,
            port: 0,
            options: options.clone(),
            account,
        };
        // A free port may be taken by somebody else before the server binds it: try a few.
        for _ in 0..5 {
            site.port = free_port();
            if let Some(server) = run_server(&site) {
                let mut postgres = Self {
                    site,
                    server: None,
                    janitor: janitor(&home.keep()),
                    databases: AtomicU64::new(0),
                };
                postgres.took_up(server);
                return postgres;
            }
        }
        panic!("Postgres did not start; its log:\n{}", log(&site.data));
    }

    /// A durable server that all tests of this process share; each makes a database of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// The address of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.site.port)
    }

    /// Makes an empty database nobody else uses: its name and address.
    ///
    /// # Panics
    /// Where the server is gone.
    pub fn create_database(&self) -> (String, String) {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        let url = self.url(&name);
        (name, url)
    }

    /// Runs one statement in a database and returns its rows as text.
    ///
    /// # Panics
    /// Where the statement fails; the message has the server's words.
    pub fn query(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        wire::query(self.site.port, SUPERUSER, database, sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.site.port
    }

    /// The process id of the server.
    ///
    /// # Panics
    /// Where it is stopped.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").id()
    }

    /// A handle for statements in one database that lives as long as it likes; it fails once we are gone.
    pub fn sql(&self, database: &str) -> Sql {
        Sql {
            port: self.site.port,
            database: database.to_owned(),
        }
    }

    /// Stops the server and waits until it is gone. Stopping a stopped one is fine.
    ///
    /// # Panics
    /// Where it does not end within a minute.
    pub fn stop(&mut self, mode: StopMode) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        wake(server.id());
        let signal = match mode {
            StopMode::Fast => Signal::SIGINT,
            StopMode::Immediate => Signal::SIGQUIT,
        };
        process::signal(server.id(), signal);
        if process::wait_at_most(&mut server, START_LIMIT).is_none() {
            process::signal(server.id(), Signal::SIGKILL);
            let _ = server.wait();
            panic!(
                "Postgres has not ended within {START_LIMIT:?}; its log:\n{}",
                self.log()
            );
        }
    }

    /// Kills the server and all its processes at once, as a loss of power would; what was written stays.
    ///
    /// # Panics
    /// Where a process outlives that.
    pub fn kill9(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        // Stopped first, so that no process is born behind our back.
        process::signal(server.id(), Signal::SIGSTOP);
        let children = process::children(server.id());
        for pid in children.iter().copied().chain([server.id()]) {
            process::signal(pid, Signal::SIGKILL);
        }
        let _ = server.wait();
        // The next start refuses while one of them holds the shared memory.
        let end = Instant::now() + START_LIMIT;
        while children.iter().any(|pid| process::alive(*pid)) {
            assert!(Instant::now() < end, "a process of Postgres can't be killed");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts a stopped server again: the same folder, the same port. Returns when it takes connections.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "Postgres runs already");
        let server = run_server(&self.site)
            .unwrap_or_else(|| panic!("Postgres did not start again; its log:\n{}", self.log()));
        self.took_up(server);
    }

    /// As `pg_ctl restart -m immediate`.
    ///
    /// # Panics
    /// As [`Postgres::stop`] and [`Postgres::start_again`].
    pub fn restart_immediate(&mut self) {
        self.stop(StopMode::Immediate);
        self.start_again();
    }

    /// Freezes the server and all its processes: connections stay open and nobody answers.
    pub fn pause(&self) {
        // The server first, so that no process is born behind our back.
        process::signal(self.pid(), Signal::SIGSTOP);
        for child in process::children(self.pid()) {
            process::signal(child, Signal::SIGSTOP);
        }
    }

    /// Whether it was started and not stopped since.
    pub fn is_running(&self) -> bool {
        self.server.is_some()
    }

    /// Lets a frozen server go on.
    pub fn resume(&self) {
        wake(self.pid());
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        log(&self.site.data)
    }

    fn took_up(&mut self, server: Child) {
        let told = self.janitor.stdin.as_mut().expect("the cleaner listens");
        writeln!(told, "{}", server.id()).expect("the cleaner lives as long as we do");
        self.server = Some(server);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            wake(server.id());
            process::signal(server.id(), Signal::SIGQUIT);
            if process::wait_at_most(&mut server, Duration::from_secs(10)).is_none() {
                process::signal(server.id(), Signal::SIGKILL);
                let _ = server.wait();
            }
        }
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

/// Statements in one database, from any task, also while somebody else stops and starts the server.
#[derive(Debug, Clone)]
pub struct Sql {
    port: u16,
    database: String,
}

impl Sql {
    /// Runs one statement, on a connection of its own, and returns its rows as text.
    ///
    /// # Errors
    /// Where the server is away or refuses; the text has its words.
    pub async fn try_query(&self, sql: &str) -> Result<wire::Rows, String> {
        let (to, statement) = (self.clone(), sql.to_owned());
        let run = move || wire::query(to.port, SUPERUSER, &to.database, &statement);
        let done = tokio::task::spawn_blocking(run)
            .await
            .expect("a query does not panic");
        done.map_err(|e| format!("{sql}: {e}"))
    }

    /// As [`Sql::try_query`], for a server that must be there.
    ///
    /// # Panics
    /// Where the statement fails.
    pub async fn query(&self, sql: &str) -> wire::Rows {
        self.try_query(sql).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// The one number that a statement returns.
    ///
    /// # Panics
    /// Where the statement fails or returns something else.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.query(sql).await;
        let value = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
        value.unwrap_or_else(|| panic!("{sql}: no number in {rows:?}"))
    }
}

/// Continues a server that may be frozen, and its processes.
fn wake(pid: u32) {
    for child in process::children(pid) {
        process::signal(child, Signal::SIGCONT);
    }
    process::signal(pid, Signal::SIGCONT);
}

/// The folder with `initdb` and `postgres`: the first of PATH, else the newest that is installed.
fn programs() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = env::split_paths(&path).find(complete) {
        return Some(folder);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let version = |path: &PathBuf| path.file_name().and_then(|n| n.to_str()?.parse::<u32>().ok());
    versions
        .map(|entry| entry.path())
        .filter(|p| complete(&p.join("bin")))
        .max_by_key(version)
        .map(|p| p.join("bin"))
}

/// Whom to run the server as; none: as oneself.
fn account() -> Option<User> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let named = |name| User::from_name(name).ok().flatten();
    Some(
        named("postgres")
            .or_else(|| named("nobody"))
            .expect("a machine has a user `nobody`"),
    )
}

/// A command that runs as `account`, in a folder it may stand in.
fn command(program: PathBuf, account: Option<&User>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .env_remove("PGDATA");
    if let Some(account) = account {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    command
}

fn run_initdb(programs: &Path, data: &Path, account: Option<&User>) {
    let mut initdb = command(programs.join("initdb"), account);
    initdb.arg("-D").arg(data).args([
        "-U",
        SUPERUSER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    let done = initdb.output().expect("initdb can be started");
    assert!(
        done.status.success(),
        "initdb failed: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Starts the server and waits until it takes connections; none when it ended instead.
fn run_server(site: &Site) -> Option<Child> {
    let Site {
        data, port, options, ..
    } = site;
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(log_path(data))
        .expect("the log can be written");
    let mut server = command(site.programs.join("postgres"), site.account.as_ref());
    server
        .arg("-D")
        .arg(data)
        .stdout(log.try_clone().expect("a handle can be copied"))
        .stderr(log);
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        format!("fsync={}", if options.fsync { "on" } else { "off" }),
    ];
    settings.extend(options.settings.iter().cloned());
    for setting in settings {
        server.args(["-c", &setting]);
    }
    // SIGQUIT is Postgres' "stop at once".
    let mut child = process::spawn(server, Signal::SIGQUIT);
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if child.try_wait().expect("it is our child").is_some() {
            return None;
        }
        if is_ready(data) && wire::query(*port, SUPERUSER, "postgres", "SELECT 1").is_ok() {
            return Some(child);
        }
        thread::sleep(Duration::from_millis(10));
    }
    process::signal(child.id(), Signal::SIGKILL);
    let _ = child.wait();
    None
}

/// Postgres writes `ready` as the eighth line of its pid file.
fn is_ready(data: &Path) -> bool {
    let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    pid_file.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

/// A shell that waits until this process is gone (end of file), then stops the server it was told of last
/// and cleans up.
fn janitor(home: &Path) -> Child {
    let script = r#"trap "" INT TERM HUP; while read -r pid; do server=$pid; done
        kill -CONT "$server" 2> /dev/null; kill -QUIT "$server" 2> /dev/null
        n=0; while kill -0 "$server" 2> /dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; rm -rf "$1""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "janitor"]).arg(home);
    shell
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // A session of its own: what kills the test's process group must not kill the cleaner.
    shell.process_group(0).spawn().expect("a shell can be started")
}

fn log_path(data: &Path) -> PathBuf {
    data.with_file_name("log")
}

fn log(data: &Path) -> String {
    fs::read_to_string(log_path(data)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_takes_statements_and_leaves_nothing_behind() {
        let started = Instant::now();
        let postgres = Postgres::start();
        println!("Postgres started in {} ms", started.elapsed().as_millis());
        let (first, url) = postgres.create_database();
        let (second, _) = postgres.create_database();
        assert_ne!(first, second);
        assert!(url.ends_with(&first));
        let rows = postgres.query(
            &first,
            "SELECT 'a', NULL UNION ALL SELECT current_database(), '1'",
        );
        assert_eq!(
            rows,
            [[Some("a".to_owned()), None], [Some(first), Some("1".to_owned())]]
        );
        assert_eq!(
            postgres.query("postgres", "SHOW fsync"),
            [[Some("on".to_owned())]]
        );
        let folder = postgres.query("postgres", "SHOW data_directory")[0][0]
            .clone()
            .expect("it has one");
        let pid = postgres.pid();
        drop(postgres);
        assert!(!process::alive(pid));
        assert!(!Path::new(&folder).exists());
    }

    #[tokio::test]
    async fn a_server_comes_back_with_what_was_committed_and_can_be_frozen() {
        let mut postgres = Postgres::start();
        let (database, _) = postgres.create_database();
        let sql = postgres.sql(&database);
        sql.query("CREATE TABLE t AS SELECT 1 AS n").await;
        let (port, pid) = (postgres.port(), postgres.pid());
        postgres.restart_immediate();
        assert_eq!(postgres.port(), port);
        assert_ne!(postgres.pid(), pid);
        assert_eq!(sql.number("SELECT n FROM t").await, 1);
        postgres.kill9();
        assert!(!postgres.is_running() && sql.try_query("SELECT 1").await.is_err());
        postgres.start_again();
        assert_eq!(sql.number("SELECT n FROM t").await, 1);
        postgres.stop(StopMode::Fast);
        assert!(sql.try_query("SELECT 1").await.is_err());
        postgres.start_again();
        assert_eq!(sql.number("SELECT n FROM t").await, 1);
        postgres.pause();
        let limit = Duration::from_millis(300);
        assert!(
            tokio::time::timeout(limit, sql.try_query("SELECT 1"))
                .await
                .is_err(),
            "it is frozen"
        );
        postgres.resume();
        assert_eq!(sql.number("SELECT n FROM t").await, 1);
        // Dropping a frozen server must not hang.
        postgres.pause();
        let pid = postgres.pid();
        drop(postgres);
        assert!(!process::alive(pid));
    }

    #[test]
    #[should_panic(expected = "does_not_exist")]
    fn a_failed_statement_says_so() {
        Postgres::shared().query("postgres", "SELECT * FROM does_not_exist");
    }
}
