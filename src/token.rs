//! `lamplighter token`: tokens made and revoked on the server's machine.

use std::{
    io,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use lamplighter_api::auth::{
    scope::Scope,
    token::{NewApiToken, Revoked, create, revoke},
};
use lamplighter_shared::{
    config::Config,
    db::{
        Db, accounts,
        audit::Origin,
        people::{self, NewAccount, Status},
        users::{self, Role, User},
    },
    email::Email,
    key::Key,
};

use crate::{
    adapters,
    cli::TokenCommand,
    installation::{Failure, open_existing_database},
    role,
};

/// Address of the account that the first start makes.
pub const OWNER: &str = "owner@localhost";

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
            let key = key(&config)?;
            let user = match user {
                None => owner(&db).await?,
                Some(email) => account(&db, &email).await?,
            };
            if user.status() != Status::Active {
                let (email, status) = (&user.email, user.status().as_str());
                eprintln!("the account {email} is {status}: its tokens are refused while it is");
            }
            let scopes = if scopes.is_empty() {
                all_scopes(&user)
            } else {
                scopes
            };
            let new = NewApiToken {
                user: user.id,
                name,
                scopes,
                expires_in: expires_in.into(),
                models: None,
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
            let cache = adapters::cache(&config).await?;
            let revoked = revoke(&db, &cache, text.trim()).await?;
            tell(revoked, config.database.is_shared() && !cache.is_shared())
        }
    }
}

/// Says what became of a revocation; `alone`: other processes may have a Redis, and this one does not.
fn tell(revoked: Revoked, alone: bool) -> Result<(), Failure> {
    match revoked {
        Revoked::NotFound => return Err(Failure("there is no such token".to_owned())),
        Revoked::Now | Revoked::Soon => eprintln!("revoked"),
        Revoked::Before(at) => {
            let at = UNIX_EPOCH + Duration::from_millis(at.unsigned_abs());
            eprintln!("already revoked at {}", humantime::format_rfc3339_seconds(at));
        }
    }
    if revoked == Revoked::Soon {
        eprintln!(
            "Redis does not answer, so an API that still reaches it may take the token for up to 30 s more"
        );
    } else if alone {
        eprintln!(
            "redis.url (LAMPLIGHTER_REDIS_URL) is not set here: if the APIs have a Redis, they may take the token for \
             up to 30 s more, until this is run again with it"
        );
    }
    Ok(())
}

/// The account of an address in whatever spelling; made where there is none, for a program of whoever runs the
/// installation, and so without limits.
async fn account(db: &Db, email: &str) -> Result<users::User, Failure> {
    let email = &address(email)?;
    // One that nobody verified may be a stranger's, and soon gone: theirs is made in its place.
    let known = users::by_email(db, email).await?;
    if let Some(known) = known.filter(|user| user.is_guest || user.verified_at.is_some()) {
        return Ok(known);
    }
    let new = NewAccount {
        email: email.clone(),
        role: Role::User,
        plan: "unlimited".to_owned(),
        password_hash: None,
        setup: None,
    };
    if people::create(db, &new, &Origin::operator()).await?.is_some() {
        eprintln!("made an account for {email}");
    }
    let made = users::by_email(db, email).await?;
    made.ok_or_else(|| Failure(format!("the account of {email} is gone again")))
}

/// The address as accounts have it. The owner's, which the first start made, is none that mail could go to.
pub fn address(text: &str) -> Result<String, Failure> {
    if text == OWNER {
        return Ok(text.to_owned());
    }
    let email = Email::parse(text).map_err(|_| Failure(format!("{text:?} is not an e-mail address")))?;
    Ok(email.as_str().to_owned())
}

/// The account of whoever owns the installation; made where there is none.
pub async fn owner(db: &Db) -> Result<users::User, Failure> {
    // Once it was set up it has its owner's address.
    if let Some(claimed) = accounts::claimed(db, OWNER).await?
        && let Some(owner) = users::get(db, claimed).await?
    {
        return Ok(owner);
    }
    Ok(users::create(db, OWNER, Role::Admin).await?)
}

/// Everything that a token of this account may allow.
pub fn all_scopes(user: &User) -> Vec<String> {
    let may = |scope: &&Scope| **scope != Scope::Admin || user.role == Role::Admin;
    Scope::ALL.iter().filter(may).map(ToString::to_string).collect()
}

/// The key that seals tokens. That of an installation that shares its database must be there: one made
/// here would fit no other process.
fn key(config: &Config) -> Result<Arc<Key>, Failure> {
    if config.database.is_shared() {
        role::shared_key(config)
    } else {
        Ok(Arc::new(Key::load_or_create(&config.secret_key_file())?))
    }
}
