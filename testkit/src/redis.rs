//! A Redis server of the test's own: in a temporary folder, on a free port, dead when the test is.
//!
//! Besides starting it, a test can do to it what happens to servers: kill it, bring it back with or
//! without what it knew, stop it for a while, and say commands to it.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{port::free_port, process};

const START_LIMIT: Duration = Duration::from_secs(20);
/// The longest that a command of a test may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const MISSING: &str = "Redis is not installed (no `redis-server` in PATH): \
    install the package `redis-server`, for example `apt-get install redis-server`";

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether it writes what it knows to its folder, once a second, and has it again after a restart.
    pub append_only: bool,
    /// Further settings, `name value`.
    pub settings: Vec<String>,
}

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    options: Options,
    folder: tempfile::TempDir,
    server: Child,
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// A text, or bytes that are read as one.
    Text(String),
    /// A refusal, in the server's words.
    Error(String),
    /// Several answers.
    List(Vec<Value>),
}

impl Value {
    /// The text, or the number in digits; empty for the rest.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            _ => String::new(),
        }
    }

    /// The number, also where it comes as text.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The members of a list; none for the rest.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }
}

impl Redis {
    /// Starts a server that keeps nothing on the disk.
    ///
    /// # Panics
    /// Where Redis is not installed (the message says what to install) or does not start.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a server.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_with(options: Options) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("lamplighter-redis-")
            .tempdir()
            .expect("a temporary folder");
        // A free port may be taken by somebody else before the server binds it: try a few.
        for _ in 0..5 {
            let port = free_port();
            if let Some(server) = run(&options, folder.path(), port) {
                return Self {
                    port,
                    options,
                    folder,
                    server,
                };
            }
        }
        panic!("Redis did not start; its log:\n{}", log(folder.path()));
    }

    /// The address for a client.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1; the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it at once; it stays down until [`Redis::restart`].
    pub fn kill9(&mut self) {
        process::signal(self.server.id(), Signal::SIGKILL);
        let _ = self.server.wait();
    }

    /// Starts it again on the same port and folder; kills it first where it runs.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart(&mut self) {
        self.kill9();
        // The port of a killed server may be refused for a moment.
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end {
            if let Some(server) = run(&self.options, self.folder.path(), self.port) {
                self.server = server;
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("Redis did not start again; its log:\n{}", log(self.folder.path()));
    }

    /// Starts it again on the same port, with an empty folder.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart_empty(&mut self) {
        self.kill9();
        for entry in fs::read_dir(self.folder.path()).expect("its folder").flatten() {
            let path = entry.path();
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.expect("it may be removed");
        }
        self.restart();
    }

    /// Stops it without a word (SIGSTOP): connections stay open and nothing answers.
    pub fn pause(&self) {
        process::signal(self.server.id(), Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        process::signal(self.server.id(), Signal::SIGCONT);
    }

    /// Says a command and returns the answer, a refusal too.
    ///
    /// # Panics
    /// Where the server does not answer within 10 s.
    pub fn command(&self, words: &[&str]) -> Value {
        say(self.port, words).unwrap_or_else(|e| panic!("{}: {e}", words.join(" ")))
    }

    /// The same; an error where nobody answers.
    ///
    /// # Errors
    /// Where the server can't be reached or does not answer within 10 s.
    pub fn try_command(&self, words: &[&str]) -> io::Result<Value> {
        say(self.port, words)
    }

    /// One line of `INFO`, such as `used_memory`.
    ///
    /// # Panics
    /// Where the server does not answer, or has no such line.
    pub fn info(&self, name: &str) -> String {
        let text = self.command(&["INFO"]).text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("INFO has no line {name}"))
            .trim()
            .to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // A kill reaches a stopped process, too.
        self.kill9();
    }
}

/// Starts the server and waits until it answers; none when it ended instead.
fn run(options: &Options, folder: &Path, port: u16) -> Option<Child> {
    let program = program().unwrap_or_else(|| panic!("{MISSING}"));
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(log_path(folder))
        .expect("the log can be written");
    let mut server = Command::new(program);
    server
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a handle can be copied"))
        .stderr(log);
    let append = if options.append_only { "yes" } else { "no" };
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    server.args(["--save", "", "--appendonly", append, "--appendfsync", "everysec"]);
    server.args(["--daemonize", "no", "--dir"]).arg(folder);
    for setting in &options.settings {
        let (name, value) = setting.split_once(' ').unwrap_or((setting, ""));
        server.arg(format!("--{name}")).arg(value);
    }
    let mut child = process::spawn(server, Signal::SIGKILL);
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if child.try_wait().expect("it is our child").is_some() {
            return None;
        }
        // The answer's pid: somebody else's server may stand on this port.
        if serves(port, child.id()) {
            return Some(child);
        }
        thread::sleep(Duration::from_millis(5));
    }
    process::signal(child.id(), Signal::SIGKILL);
    let _ = child.wait();
    None
}

fn serves(port: u16, pid: u32) -> bool {
    let ours = format!("process_id:{pid}\r");
    matches!(say(port, &["INFO", "server"]), Ok(Value::Text(info)) if info.contains(&ours))
        && matches!(say(port, &["PING"]), Ok(Value::Text(pong)) if pong == "PONG")
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|program| program.is_file())
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("redis.log")
}

fn log(folder: &Path) -> String {
    fs::read_to_string(log_path(folder)).unwrap_or_default()
}

fn say(port: u16, words: &[&str]) -> io::Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes())?;
    read(&mut BufReader::new(stream))
}

/// Reads one answer (RESP 2).
fn read(stream: &mut impl BufRead) -> io::Result<Value> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not an answer of Redis");
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or_else(wrong)?;
    let number = || rest.parse::<i64>().map_err(|_| wrong());
    match kind {
        "+" => Ok(Value::Text(rest.to_owned())),
        "-" => Ok(Value::Error(rest.to_owned())),
        ":" => Ok(Value::Number(number()?)),
        "$" => {
            let Ok(length) = usize::try_from(number()?) else {
                return Ok(Value::Nil);
            };
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        "*" => {
            let Ok(length) = usize::try_from(number()?) else {
                return Ok(Value::Nil);
            };
            (0..length)
                .map(|_| read(stream))
                .collect::<io::Result<_>>()
                .map(Value::List)
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_forgets_and_leaves_nothing_behind() {
        let started = Instant::now();
        let mut redis = Redis::start();
        println!("Redis started in {} ms", started.elapsed().as_millis());
        assert_eq!(redis.command(&["SET", "a", "1"]).text(), "OK");
        assert_eq!(redis.command(&["GET", "a"]).number(), Some(1));
        assert!(matches!(redis.command(&["NONSENSE"]), Value::Error(_)));
        assert_eq!(redis.command(&["GET", "b"]), Value::Nil);
        assert_eq!(redis.info("role"), "master");
        let port = redis.port();
        redis.restart();
        assert_eq!(redis.port(), port);
        assert_eq!(redis.command(&["DBSIZE"]).number(), Some(0));
        let (pid, folder) = (redis.pid(), redis.folder().to_owned());
        redis.pause();
        drop(redis);
        assert!(!process::alive(pid) && !folder.exists());
    }

    #[test]
    fn what_is_appended_is_there_again_unless_the_folder_is_emptied() {
        let mut redis = Redis::start_with(Options {
            append_only: true,
            ..Options::default()
        });
        redis.command(&["SET", "a", "1"]);
        redis.restart();
        assert_eq!(redis.command(&["GET", "a"]).text(), "1");
        redis.restart_empty();
        assert_eq!(redis.command(&["GET", "a"]), Value::Nil);
        redis.kill9();
        assert!(redis.try_command(&["PING"]).is_err());
    }
}
