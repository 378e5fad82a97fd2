//! Postgres and Redis with the settings and the passwords that `compose.yaml` gives them.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    port::free_port,
    postgres::{self, Postgres},
    process::{self, Signal},
};
use serde_json::Value;

use crate::compose;

/// The most that Redis may take to answer.
const HEALTHY: Duration = Duration::from_secs(60);

/// A server with the service's settings that asks for the password where the database is ours.
pub fn start_postgres(compose: &Value, password: &str) -> Postgres {
    let words = compose::strings(&compose["services"]["postgres"]["command"]);
    assert_eq!(words[0], "postgres");
    let settings = words[1..]
        .iter()
        .map(|word| word.strip_prefix("-c").expect("a setting").to_owned());
    let postgres = Postgres::start_with(&postgres::Options {
        settings: settings.collect(),
        ..postgres::Options::default()
    });
    let say = |sql: &str| postgres.query("postgres", sql);
    say(&format!("ALTER ROLE lamplighter PASSWORD '{password}'"));
    say("CREATE DATABASE lamplighter");
    let rules = say("SHOW hba_file")[0][0].clone().expect("a path");
    let old = fs::read_to_string(&rules).expect("the rules can be read");
    fs::write(
        &rules,
        format!("host lamplighter all 127.0.0.1/32 scram-sha-256\n{old}"),
    )
    .expect("the rules can be written");
    say("SELECT pg_reload_conf()");
    postgres
}

/// A Redis with the service's own command; the kit's asks it things that this one refuses to strangers.
pub struct Redis {
    server: Child,
    /// On 127.0.0.1.
    pub port: u16,
}

impl Redis {
    /// Starts it and waits until its health check passes.
    ///
    /// # Panics
    /// Where it does not; the message has its log.
    pub fn start(compose: &Value, folder: &Path) -> Self {
        let service = &compose["services"]["redis"];
        let words = compose::strings(&service["command"]);
        let check = compose::strings(&service["healthcheck"]["test"]);
        assert_eq!(
            (words[0].as_str(), check[0].as_str()),
            ("redis-server", "CMD-SHELL")
        );
        let put = |word: &String| match word.as_str() {
            "/data" => folder.join("redis").display().to_string(),
            word => word.replace("/run/secrets", &folder.join("secrets").display().to_string()),
        };
        let log = fs::File::create(folder.join("redis.log")).expect("a log");
        let port = free_port();
        let mut command = Command::new(&words[0]);
        command
            .args(words[1..].iter().map(put))
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(log);
        let redis = Self {
            server: process::spawn(command, Signal::SIGKILL),
            port,
        };
        let check = check[1].replace("redis-cli", &format!("redis-cli -p {port}"));
        let end = Instant::now() + HEALTHY;
        while !Command::new("sh")
            .args(["-c", &check])
            .stderr(Stdio::null())
            .status()
            .expect("sh")
            .success()
        {
            assert!(
                Instant::now() < end,
                "Redis does not start:\n{}",
                fs::read_to_string(folder.join("redis.log")).unwrap_or_default()
            );
            sleep(Duration::from_millis(20));
        }
        redis
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        process::signal(self.server.id(), Signal::SIGKILL);
        let _ = self.server.wait();
    }
}
