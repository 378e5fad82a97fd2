//! A Postgres server of the test's own: a fresh cluster in a temporary folder on a free port.
//!
//! It needs the programs (`initdb`, `postgres`), not a running service. Postgres refuses to run as root,
//! so root starts it as `postgres`, or else `nobody`. A small shell outlives the test process for a
//! moment, stops the server and removes the folder, even where the test was killed.

use std::{
    env, fs,
    net::TcpListener,
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

use crate::{process, wire};

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

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    server: Child,
    /// The shell that cleans up; its standard input is the sign that we live.
    janitor: Child,
    databases: AtomicU64,
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
        // A free port may be taken by somebody else before the server binds it: try a few.
        for _ in 0..5 {
            let port = free_port();
            if let Some(server) = run_server(&programs, &data, port, options, account.as_ref()) {
                let janitor = janitor(&server, &home.keep());
                return Self {
                    port,
                    server,
                    janitor,
                    databases: AtomicU64::new(0),
                };
            }
        }
        panic!("Postgres did not start; its log:\n{}", log(&data));
    }

    /// A durable server that all tests of this process share; each makes a database of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// The address of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
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
        wire::query(self.port, SUPERUSER, database, sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        process::signal(self.server.id(), Signal::SIGQUIT);
        if process::wait_at_most(&mut self.server, Duration::from_secs(10)).is_none() {
            process::signal(self.server.id(), Signal::SIGKILL);
            let _ = self.server.wait();
        }
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
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
fn run_server(
    programs: &Path,
    data: &Path,
    port: u16,
    options: &Options,
    account: Option<&User>,
) -> Option<Child> {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(log_path(data))
        .expect("the log can be written");
    let mut server = command(programs.join("postgres"), account);
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
        if is_ready(data) && wire::query(port, SUPERUSER, "postgres", "SELECT 1").is_ok() {
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

/// A shell that waits until this process is gone (end of file), then stops the server and cleans up.
fn janitor(server: &Child, home: &Path) -> Child {
    let script = r#"trap "" INT TERM HUP; cat > /dev/null; kill -QUIT "$1" 2> /dev/null
        n=0; while kill -0 "$1" 2> /dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; rm -rf "$2""#;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "janitor", &server.id().to_string()])
        .arg(home);
    shell
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // A session of its own: what kills the test's process group must not kill the cleaner.
    shell.process_group(0).spawn().expect("a shell can be started")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("127.0.0.1 has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
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

    #[test]
    #[should_panic(expected = "does_not_exist")]
    fn a_failed_statement_says_so() {
        Postgres::shared().query("postgres", "SELECT * FROM does_not_exist");
    }
}
