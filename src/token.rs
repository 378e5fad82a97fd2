//! `lamplighter token`: tokens made and revoked on the server's machine, and the owner's own.

use std::{fs, io, path::Path, time::Duration};

use lamplighter_api::auth::{
    key::Key,
    token::{NewApiToken, check, create, revoke},
};
use lamplighter_shared::{
    config::Config,
    db::{
        Db, api_tokens,
        users::{self, Role},
    },
};

use crate::{
    cli::TokenCommand,
    installation::{Failure, open_existing_database, write_private},
};

/// Address of the account that the first start makes.
const OWNER: &str = "owner@localhost";
/// What the owner's token allows: everything there is.
const OWNER_SCOPES: [&str; 3] = ["jobs:write", "jobs:read", "models:read"];
/// How long the owner's token is good; a start after that makes a new one.
const OWNER_EXPIRY: Duration = Duration::from_secs(366 * 86_400);

/// Runs one of the `token` commands.
pub async fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Create {
            data,
            user,
            scopes,
            expires_in,
            name,
        } => {
            let config = Config::load(data.data_dir.as_deref(), None)?;
            let db = open_existing_database(&config).await?;
            let key = key(&config.server.data_dir)?;
            let user = match user {
                None => owner(&db).await?,
                Some(email) => account(&db, &email).await?,
            };
            let new = NewApiToken {
                user: user.id,
                name,
                scopes,
                expires_in: expires_in.into(),
            };
            println!("{}", create(&db, &key, new).await?);
            Ok(())
        }
        TokenCommand::Revoke { data, token } => {
            let config = Config::load(data.data_dir.as_deref(), None)?;
            let db = open_existing_database(&config).await?;
            let text = if token == "-" {
                io::read_to_string(io::stdin().lock())?
            } else {
                token
            };
            if revoke(&db, text.trim()).await? {
                eprintln!("revoked");
                Ok(())
            } else {
                Err(Failure(
                    "there is no such token, or it is revoked already".to_owned(),
                ))
            }
        }
    }
}

async fn account(db: &Db, email: &str) -> Result<users::User, Failure> {
    let plausible = email
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if !plausible || email.chars().any(|c| c.is_whitespace() || c.is_control()) || email.len() > 254 {
        return Err(Failure(format!("{email:?} is not an e-mail address")));
    }
    if users::by_email(db, email).await?.is_none() {
        eprintln!("made an account for {email}");
    }
    Ok(users::create(db, email, Role::User).await?)
}

async fn owner(db: &Db) -> Result<users::User, Failure> {
    Ok(users::create(db, OWNER, Role::Admin).await?)
}

/// The key that seals tokens; made on the first start.
pub fn key(data_dir: &Path) -> Result<Key, Failure> {
    Ok(Key::load_or_create(&data_dir.join("secret.key"))?)
}

/// Sees to it that `DIR/owner.token` holds a token that works.
#[cfg(feature = "worker")]
pub async fn keep_owner_token(db: &Db, key: &Key, data_dir: &Path) -> Result<(), Failure> {
    let path = data_dir.join("owner.token");
    let present = fs::read_to_string(&path).unwrap_or_default();
    let present = present.trim();
    // A token of a lost key is as useless as one whose row is gone.
    if let Ok(fingerprint) = check(key, present)
        && api_tokens::live(db, &fingerprint).await?.is_some()
    {
        return Ok(());
    }
    let new = NewApiToken {
        user: owner(db).await?.id,
        name: "owner".to_owned(),
        scopes: OWNER_SCOPES.map(str::to_owned).to_vec(),
        expires_in: OWNER_EXPIRY,
    };
    let text = create(db, key, new).await?;
    Ok(write_private(&path, &format!("{text}\n"))?)
}
