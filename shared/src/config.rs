//! Settings: `defaults.toml` (compiled in, and the reference), then a file, then the environment.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

pub use crate::oidc_provider::OidcProvider;
use crate::{network::Network, oidc_provider, origin::Origin, password_file, plan::Plan};

/// All settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP side and the process.
    pub server: Server,
    /// Which models, and where their files are.
    pub models: Models,
    /// Deadlines, leases, retries.
    pub jobs: Jobs,
    /// The truth.
    pub database: Database,
    /// Hints between processes.
    pub redis: Redis,
    /// The fleet side.
    pub worker: Worker,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// What is true of all shares.
    pub limits: Limits,
    /// Who gets an account, and how they prove who they are.
    pub accounts: Accounts,
    /// Where mail goes.
    pub mail: Mail,
    /// Issuers of OpenID Connect that people may log in with.
    pub oidc: Vec<OidcProvider>,
    /// How much a share may have, by name: `guest`, `basic`, `pro`, `unlimited` and others.
    pub plans: BTreeMap<String, Plan>,
}

/// The HTTP side and the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where everything lives: database, secrets, models.
    pub data_dir: PathBuf,
    /// Address of the HTTP API, `HOST:PORT`.
    pub bind: String,
    /// Seconds until a client that takes no byte of an answer is cut off.
    pub write_timeout_seconds: u64,
    /// Seconds a client may take to send a request, its body included.
    pub read_timeout_seconds: u64,
    /// Open event streams of one owner.
    pub streams_per_owner: usize,
    /// Requests in work at once; waits and open streams do not count.
    pub max_in_flight: usize,
    /// Seconds a stop waits for work in hand.
    pub grace_seconds: u64,
    /// The key that tokens are sealed with; empty: `DATA_DIR/secret.key`.
    pub secret_key_file: PathBuf,
    /// The address that people and mails use (`https://ai.example.org`); empty: `http://` and the address bound.
    pub public_url: String,
    /// Whether people may log in over plain HTTP from elsewhere than this machine.
    pub allow_insecure_http: bool,
    /// Origins (`https://app.example.org`) whose pages may call the API with a token.
    pub cors_origins: Vec<String>,
    /// Addresses or networks (`10.0.0.0/8`) of the proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

/// The truth.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `postgres://…`; empty: SQLite in the data folder.
    pub url: String,
    /// A file with the password that `url` lacks; empty: `url` has all. Once loaded, `url` holds it.
    pub password_file: PathBuf,
    /// Seconds a start waits for a database that does not answer yet.
    pub connect_seconds: u64,
    /// Seconds one statement or transaction may take before it is given up.
    pub timeout_seconds: f64,
    /// Whether submits that come together share a transaction. Off only to measure what that is worth.
    pub group_commit: bool,
}

/// How long what has ended is kept; 0: for ever.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days until the input and output of a job that has ended are removed.
    pub results_days: f64,
    /// Days until the job itself is forgotten.
    pub rows_days: f64,
}

/// What is true of all shares; how much each may have says its plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Jobs waiting at once, of everybody; 0: no limit.
    pub waiting: u64,
}

/// Who gets an account, and how they prove who they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// Who may register.
    pub registration: Registration,
    /// The plan of those who register.
    pub default_plan: String,
    /// Fewest characters of a password.
    pub min_password_length: usize,
    /// Hours a session lasts without use.
    pub session_idle_hours: f64,
    /// Days a session lasts at most.
    pub session_days: f64,
    /// Minutes after a login in which the password, the address and tokens may be changed.
    pub recent_login_minutes: f64,
    /// Days until an account that its owner deleted is gone.
    pub deletion_grace_days: f64,
    /// Live tokens of one user.
    pub max_tokens: u32,
    /// Tries to log in from one address: a minute, and at once.
    pub login_per_minute: f64,
    /// See `login_per_minute`.
    pub login_burst: u32,
    /// Registrations and recoveries from one address: an hour, and at once.
    pub register_per_hour: f64,
    /// See `register_per_hour`.
    pub register_burst: u32,
    /// Failures in a row after which an account's next tries have to wait, longer and longer.
    pub max_failures: u32,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody with an address.
    Open,
    /// Everybody, and an admin lets them in.
    Approval,
    /// Whoever was invited.
    Invite,
    /// Nobody.
    Closed,
}

/// Where mail goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The SMTP server; empty: mails are files in `DATA_DIR/mail`.
    pub host: String,
    /// Its port; 0: what is usual (587, or 465 with `tls`, or 25 with `none`).
    pub port: u16,
    /// How the connection is kept secret.
    pub security: MailSecurity,
    /// Who logs in; empty: nobody.
    pub username: String,
    /// A file whose first line is the password.
    pub password_file: PathBuf,
    /// The sender, `NAME <ADDRESS>` or `ADDRESS`.
    pub from: String,
    /// Mails to one address: an hour, and at once.
    pub per_address_per_hour: f64,
    /// See `per_address_per_hour`.
    pub per_address_burst: u32,
    /// Tries until a mail is given up.
    pub max_attempts: u32,
}

/// How a connection to an SMTP server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// It begins in plain and must change to TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a relay on this machine.
    None,
}

/// Hints between processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://…`; empty: processes look by themselves.
    pub url: String,
    /// A file with the password that `url` lacks; empty: `url` has all. Once loaded, `url` holds it.
    pub password_file: PathBuf,
}

/// The fleet side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Its name, for people and orders; empty: the machine's.
    pub name: String,
    /// Address of its health and metrics, `HOST:PORT`; empty: none.
    pub health_bind: String,
    /// Memory that its models may take together, bytes; 0: most of what the machine gives us.
    pub memory_bytes: u64,
    /// Seconds a busy model stays in memory before it makes room for another.
    pub min_residency_seconds: f64,
    /// Whether `echo` misbehaves when it is asked to, also where the database is shared.
    pub echo_faults: bool,
}

/// Which models, and where their files are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Shared cache of model files; empty: `DATA_DIR/models`.
    pub dir: PathBuf,
    /// Ids to serve; empty: the catalogue's defaults.
    pub enabled: Vec<String>,
    /// Ids that may be tried without an account, beside those the catalogue marks.
    pub public: Vec<String>,
    /// Seconds a model may take to load and pass its canary.
    pub load_timeout_seconds: u64,
}

/// Deadlines, leases, retries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Default of `timeout.start_seconds`.
    pub start_seconds: u64,
    /// Most of `timeout.start_seconds`.
    pub max_start_seconds: u64,
    /// Default of `timeout.run_seconds`.
    pub run_seconds: u64,
    /// Most of `timeout.run_seconds`.
    pub max_run_seconds: u64,
    /// Seconds a worker holds a job without a sign of life.
    pub lease_seconds: f64,
    /// Seconds between renewals of leases.
    pub heartbeat_seconds: f64,
    /// Seconds between looks for lost leases and passed deadlines.
    pub reap_seconds: f64,
    /// Seconds a lease must be seen as expired before it is taken.
    pub reap_confirm_seconds: f64,
    /// Runner exits after which a job fails.
    pub max_crashes: i32,
    /// Lost leases after which a job fails.
    pub max_lease_losses: i32,
    /// Seconds between an idle worker's own looks (± 20 %).
    pub poll_seconds: f64,
    /// Seconds an idempotency key is remembered.
    pub idempotency_seconds: u64,
}

/// The settings can't be used; the sentence names the key.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(String);

impl Default for Config {
    fn default() -> Self {
        toml::from_str(include_str!("defaults.toml")).expect("defaults.toml fits Config: a test reads it")
    }
}

impl Config {
    /// Reads the settings; `data_dir` and `bind` of a command line win over everything.
    ///
    /// # Errors
    /// Where a file or variable does not fit; the sentence names the key.
    pub fn load(data_dir: Option<&Path>, bind: Option<&str>) -> Result<Self, ConfigError> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        let env = Env::prefixed("LAMPLIGHTER_").map(|key| match key.as_str().to_ascii_lowercase().as_str() {
            "data_dir" => "server.data_dir".into(),
            "bind" => "server.bind".into(),
            "models_dir" => "models.dir".into(),
            "database_url" => "database.url".into(),
            "database_password_file" => "database.password_file".into(),
            "redis_url" => "redis.url".into(),
            "redis_password_file" => "redis.password_file".into(),
            "public_url" => "server.public_url".into(),
            "secret_key_file" => "server.secret_key_file".into(),
            other => other.replace("__", ".").into(),
        });
        // Variables without a section are other programs' or later roles': not settings.
        let env = env.filter(|key| key.as_str().contains('.'));
        let dir = match data_dir {
            Some(dir) => dir.to_owned(),
            None => layers
                .clone()
                .merge(env.clone())
                .extract_inner("server.data_dir")
                .map_err(error)?,
        };
        let file = std::env::var_os("LAMPLIGHTER_CONFIG")
            .map_or_else(|| dir.join("lamplighter.toml"), PathBuf::from);
        layers = layers
            .merge(Toml::file(file))
            .merge(env)
            .merge(("server.data_dir", &dir));
        if let Some(bind) = bind {
            layers = layers.merge(("server.bind", bind));
        }
        let mut config: Self = layers.extract().map_err(error)?;
        config.check()?;
        let (database, redis) = (&mut config.database, &mut config.redis);
        join_password("database", &mut database.url, &database.password_file)?;
        join_password("redis", &mut redis.url, &redis.password_file)?;
        Ok(config)
    }

    /// Where model files are kept.
    pub fn models_dir(&self) -> PathBuf {
        if self.models.dir.as_os_str().is_empty() {
            self.server.data_dir.join("models")
        } else {
            self.models.dir.clone()
        }
    }

    /// Where the key is that tokens are sealed with.
    pub fn secret_key_file(&self) -> PathBuf {
        if self.server.secret_key_file.as_os_str().is_empty() {
            self.server.data_dir.join("secret.key")
        } else {
            self.server.secret_key_file.clone()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.database.url.is_empty() && !self.redis.url.is_empty() {
            return Err(ConfigError(
                "redis.url (LAMPLIGHTER_REDIS_URL) needs database.url (LAMPLIGHTER_DATABASE_URL): Redis only \
                 carries hints between processes that share a database"
                    .to_owned(),
            ));
        }
        self.server.check()?;
        self.mail.check()?;
        for name in ["guest", "basic", "pro", "unlimited", &self.accounts.default_plan] {
            if !self.plans.contains_key(name) {
                return Err(ConfigError(format!(
                    "plans.{name} must be there: accounts.default_plan and accounts of before may name it"
                )));
            }
        }
        let jobs = &self.jobs;
        let positive = [
            ("jobs.lease_seconds", jobs.lease_seconds),
            ("jobs.heartbeat_seconds", jobs.heartbeat_seconds),
            ("jobs.reap_seconds", jobs.reap_seconds),
            ("jobs.poll_seconds", jobs.poll_seconds),
            ("database.timeout_seconds", self.database.timeout_seconds),
            ("worker.min_residency_seconds", self.worker.min_residency_seconds),
            ("accounts.session_idle_hours", self.accounts.session_idle_hours),
            ("accounts.session_days", self.accounts.session_days),
            (
                "accounts.recent_login_minutes",
                self.accounts.recent_login_minutes,
            ),
            ("accounts.login_per_minute", self.accounts.login_per_minute),
            ("accounts.register_per_hour", self.accounts.register_per_hour),
            ("mail.per_address_per_hour", self.mail.per_address_per_hour),
        ];
        let bounded = [
            ("accounts.deletion_grace_days", self.accounts.deletion_grace_days),
            ("retention.results_days", self.retention.results_days),
            ("retention.rows_days", self.retention.rows_days),
        ];
        for (key, value) in bounded {
            // For days: ten thousand years would be past the last date that can be written.
            if !(0.0..=1_000_000.0).contains(&value) {
                return Err(ConfigError(format!(
                    "{key} must be from 0 to 1000000, not {value}"
                )));
            }
        }
        let shortest = self.accounts.min_password_length;
        if !(8..=128).contains(&shortest) {
            return Err(ConfigError(format!(
                "accounts.min_password_length must be from 8 to 128, not {shortest}"
            )));
        }
        for (key, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(ConfigError(format!("{key} must be more than 0, not {value}")));
            }
        }
        if jobs.heartbeat_seconds * 2.0 > jobs.lease_seconds {
            return Err(ConfigError(format!(
                "jobs.heartbeat_seconds ({}) must be at most half of jobs.lease_seconds ({})",
                jobs.heartbeat_seconds, jobs.lease_seconds
            )));
        }
        if jobs.run_seconds > jobs.max_run_seconds || jobs.start_seconds > jobs.max_start_seconds {
            return Err(ConfigError(
                "jobs.run_seconds and jobs.start_seconds must not exceed their max_…".to_owned(),
            ));
        }
        oidc_provider::check(&self.oidc).map_err(ConfigError)
    }
}

impl Server {
    /// The origin of `public_url`, where there is one.
    pub fn public_origin(&self) -> Option<Origin> {
        Origin::of(&self.public_url)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !self.public_url.is_empty() && self.public_origin().is_none() {
            return Err(ConfigError(format!(
                "server.public_url must be like https://ai.example.org, not {:?}",
                self.public_url
            )));
        }
        match self
            .cors_origins
            .iter()
            .find(|text| Origin::parse(text).is_none())
        {
            Some(text) => Err(ConfigError(format!(
                "server.cors_origins: {text:?} is no origin (scheme://host[:port], lower case, without a path or \
                 the scheme's own port)"
            ))),
            None => Ok(()),
        }
    }
}

impl Mail {
    /// What the head of every mail is made of, and who logs in.
    fn check(&self) -> Result<(), ConfigError> {
        if self.sender().is_none() {
            return Err(ConfigError(format!(
                "mail.from must be NAME <ADDRESS> or ADDRESS, not {:?}",
                self.from
            )));
        }
        if self.username.is_empty() != self.password_file.as_os_str().is_empty() {
            return Err(ConfigError(
                "mail.username and mail.password_file go together".to_owned(),
            ));
        }
        if self.max_attempts == 0 || self.per_address_burst == 0 {
            return Err(ConfigError(
                "mail.max_attempts and mail.per_address_burst must be at least 1".to_owned(),
            ));
        }
        Ok(())
    }

    /// The sender's name and address; none where `from` is neither `NAME <ADDRESS>` nor `ADDRESS`.
    pub fn sender(&self) -> Option<(&str, &str)> {
        let (name, address) = match self.from.split_once('<') {
            Some((name, rest)) => (name.trim().trim_matches('"'), rest.strip_suffix('>')?),
            None => ("", self.from.as_str()),
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "<>\",;:".contains(c);
        let (local, host) = address.rsplit_once('@')?;
        let fits = !local.is_empty() && !host.is_empty() && !address.contains(odd);
        (fits && !name.contains(char::is_control)).then_some((name, address))
    }

    /// The port: the one that is set, else what is usual.
    pub fn port(&self) -> u16 {
        match (self.port, self.security) {
            (0, MailSecurity::Starttls) => 587,
            (0, MailSecurity::Tls) => 465,
            (0, MailSecurity::None) => 25,
            (port, _) => port,
        }
    }
}

impl Database {
    /// Whether other processes may use the database, too: everything but a file.
    pub fn is_shared(&self) -> bool {
        !(self.url.is_empty() || self.url.starts_with("sqlite:"))
    }
}

impl Retention {
    /// How long input and output are kept after the end; none: for ever.
    pub fn results(&self) -> Option<Duration> {
        days(self.results_days)
    }

    /// How long a client finds input and output after the end: they go with the job at the latest.
    pub fn data(&self) -> Option<Duration> {
        [self.results(), self.rows()].into_iter().flatten().min()
    }

    /// How long the job is kept after its end; none: for ever.
    pub fn rows(&self) -> Option<Duration> {
        days(self.rows_days)
    }
}

fn days(days: f64) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    // More than a `Duration` holds is for ever, too.
    Duration::try_from_secs_f64(days * DAY)
        .ok()
        .filter(|d| !d.is_zero())
}

impl Jobs {
    /// How long a claim or heartbeat holds a job.
    pub fn lease(&self) -> Duration {
        Duration::from_secs_f64(self.lease_seconds)
    }

    /// Time between heartbeats.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs_f64(self.heartbeat_seconds)
    }
}

/// Puts the password of `SECTION.password_file` into `SECTION.url`.
fn join_password(section: &str, url: &mut String, file: &Path) -> Result<(), ConfigError> {
    if file.as_os_str().is_empty() || url.is_empty() {
        return Ok(());
    }
    let password = password_file::read(file)
        .map_err(|e| ConfigError(format!("{section}.password_file ({}): {e}", file.display())))?;
    *url = password_file::join(url, &password).ok_or_else(|| {
        ConfigError(format!(
            "{section}.url must look like scheme://USER@HOST, without a password, beside {section}.password_file"
        ))
    })?;
    Ok(())
}

fn error(e: figment::Error) -> ConfigError {
    ConfigError(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        Config::default().check().expect("defaults are valid");
    }

    #[test]
    fn redis_alone_is_refused_and_a_database_alone_is_not() {
        let mut config = Config::default();
        config.redis.url = "redis://127.0.0.1:1".to_owned();
        let refused = config.check().expect_err("Redis alone").to_string();
        assert!(refused.contains("LAMPLIGHTER_DATABASE_URL"), "{refused}");
        config.database.url = "postgres://127.0.0.1:1/x".to_owned();
        config.check().expect("both");
        config.redis.url.clear();
        config.check().expect("polling");
    }

    #[test]
    fn origins_are_exact_and_the_public_address_is_one() {
        let mut config = Config::default();
        config.server.cors_origins = vec![
            "https://app.example.org".to_owned(),
            "http://localhost:3000".to_owned(),
        ];
        config.server.public_url = "https://ai.example.org/".to_owned();
        config.check().expect("fits");
        for bad in [
            "*",
            "null",
            "https://app.example.org/",
            "https://*.example.org",
            "app.example.org",
        ] {
            config.server.cors_origins = vec![bad.to_owned()];
            let refused = config.check().expect_err(bad).to_string();
            assert!(refused.contains("server.cors_origins"), "{refused}");
        }
        config.server.cors_origins.clear();
        config.server.public_url = "ai.example.org".to_owned();
        let refused = config.check().expect_err("no scheme").to_string();
        assert!(refused.contains("server.public_url"), "{refused}");
    }

    #[test]
    fn what_mails_are_made_of_must_fit() {
        let refused = |change: &dyn Fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().err().map(|e| e.to_string())
        };
        for from in ["a@b", "A B <a@b>", "\"A, B\" <a@b>"] {
            assert_eq!(refused(&|c| c.mail.from = from.to_owned()), None, "{from}");
        }
        for from in [
            "",
            "a",
            "A <a@b",
            "A <a@b>x",
            "@b",
            "A\r\nBcc: x <a@b>",
            "a@b\r\nBcc: x@y",
            "<a@b, c@d>",
        ] {
            let why = refused(&|c| c.mail.from = from.to_owned());
            assert!(why.is_some_and(|why| why.contains("mail.from")), "{from:?}");
        }
        let alone = refused(&|c| c.mail.username = "ada".to_owned());
        assert!(alone.is_some_and(|why| why.contains("mail.password_file")));
    }

    #[test]
    fn a_password_of_a_file_is_joined_and_two_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "a/b\n").expect("a file");
        let mut url = "postgres://ada@db/x".to_owned();
        join_password("database", &mut url, Path::new("")).expect("no file");
        assert_eq!(url, "postgres://ada@db/x");
        join_password("database", &mut url, &file).expect("a file");
        assert_eq!(url, "postgres://ada:a%2Fb@db/x");
        let twice = join_password("database", &mut url, &file).expect_err("a second password");
        assert!(twice.to_string().contains("database.url") && !twice.to_string().contains("a%2Fb"));
        let missing = join_password("redis", &mut url, &folder.path().join("none")).expect_err("no file");
        assert!(missing.to_string().contains("redis.password_file"));
    }
}
