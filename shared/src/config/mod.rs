//! Settings: `defaults.toml` (compiled in, and the reference), then a file, then the environment. Each
//! section is a file of this folder, with what must be true of it.

mod accounts;
mod check;
mod database;
mod jobs;
mod limits;
mod mail;
mod models;
mod redis;
mod retention;
mod server;
mod worker;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

pub use accounts::{Accounts, Registration};
pub use database::Database;
pub use jobs::Jobs;
pub use limits::Limits;
pub use mail::{Mail, MailSecurity};
pub use models::Models;
pub use redis::Redis;
pub use retention::Retention;
pub use server::Server;
pub use worker::Worker;

pub use crate::oidc_provider::OidcProvider;
use crate::{oidc_provider, password_file, plan::Plan};

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

/// The settings can't be used; the sentence names the key.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(String);

impl Default for Config {
    fn default() -> Self {
        toml::from_str(include_str!("../defaults.toml")).expect("defaults.toml fits Config: a test reads it")
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
        for name in ["guest", "basic", "pro", "unlimited", &self.accounts.default_plan] {
            if !self.plans.contains_key(name) {
                return Err(ConfigError(format!(
                    "plans.{name} must be there: accounts.default_plan and accounts of before may name it"
                )));
            }
        }
        self.server.check()?;
        self.jobs.check()?;
        self.database.check()?;
        self.worker.check()?;
        self.retention.check()?;
        self.accounts.check()?;
        self.mail.check()?;
        oidc_provider::check(&self.oidc).map_err(ConfigError)
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
