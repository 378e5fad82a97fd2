//! `lamplighter user`: accounts made and changed on the server's machine.

use std::io;

use lamplighter_api::{
    accounts::setup,
    auth::{
        setup::hash_password,
        void::{Voided, void},
    },
};
use lamplighter_shared::{
    config::Config,
    db::{
        Db,
        audit::Origin,
        people::{self, Change, Changed, NewAccount, Search},
        users::{self, Role, User},
    },
};

use crate::{
    adapters,
    cli::{OneUser, UserCommand},
    installation::{Failure, open_existing_database},
    role::people_reach,
    token::address,
};

/// Accounts read at once for the list.
const PAGE: u64 = 500;

/// Runs one of the `user` commands.
pub async fn run(command: UserCommand) -> Result<(), Failure> {
    let role = |role| Change {
        role: Some(role),
        ..Change::default()
    };
    let disabled = |disabled| Change {
        disabled: Some(disabled),
        ..Change::default()
    };
    match command {
        UserCommand::Create {
            data,
            email,
            admin,
            plan,
            password_stdin,
        } => {
            let config = Config::load(data.data_dir.as_deref(), None)?;
            let role = if admin { Role::Admin } else { Role::User };
            let usual = match role {
                Role::Admin => "unlimited",
                Role::User => &config.accounts.default_plan,
            };
            let plan = plan.unwrap_or_else(|| usual.to_owned());
            check_plan(&config, &plan)?;
            let new = NewAccount {
                email: address(&email)?,
                role,
                plan,
                password_hash: None,
                setup: None,
            };
            create(&config, new, password_stdin).await
        }
        UserCommand::List { data } => list(&Config::load(data.data_dir.as_deref(), None)?).await,
        UserCommand::Promote(user) => change(user, role(Role::Admin)).await,
        UserCommand::Demote(user) => change(user, role(Role::User)).await,
        UserCommand::Disable(user) => change(user, disabled(true)).await,
        UserCommand::Enable(user) => change(user, disabled(false)).await,
        UserCommand::SetPlan { user, plan } => {
            let config = Config::load(user.data.data_dir.as_deref(), None)?;
            check_plan(&config, &plan)?;
            let change_to = Change {
                plan: Some(plan),
                ..Change::default()
            };
            change(user, change_to).await
        }
    }
}

async fn create(config: &Config, mut new: NewAccount, password: bool) -> Result<(), Failure> {
    let db = open_existing_database(config).await?;
    if password {
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        let text = line.trim_end_matches(['\r', '\n']);
        let hash = hash_password(config.accounts.min_password_length, &new.email, text).await;
        new.password_hash = Some(hash?);
    }
    let (token, challenge) = setup::fresh(&new.email)?;
    new.setup = new.password_hash.is_none().then_some(challenge);
    let id = people::create(&db, &new, &Origin::operator()).await?;
    let id = id.ok_or_else(|| Failure(format!("{} has an account already", new.email)))?;
    println!("{id}");
    if new.setup.is_some() {
        let url = people_reach(config);
        println!("{url}/setup#token={token}");
        eprintln!(
            "whoever has the link can set the password, once, within a week: its token, the address and the \
             password go to POST {url}/v1/setup (there is no page at the link yet)"
        );
    }
    Ok(())
}

async fn list(config: &Config) -> Result<(), Failure> {
    let db = open_existing_database(config).await?;
    let mut page = Search {
        limit: PAGE,
        ..Search::default()
    };
    loop {
        let users = people::search(&db, &page).await?;
        for user in &users {
            let status = user.status().as_str();
            println!(
                "{}\t{}\t{}\t{}\t{status}",
                user.id,
                user.email,
                user.role.as_str(),
                user.plan
            );
        }
        match users.last() {
            Some(last) if users.len() as u64 == PAGE => page.before = Some(last.id),
            _ => return Ok(()),
        }
    }
}

async fn change(one: OneUser, change: Change) -> Result<(), Failure> {
    let config = Config::load(one.data.data_dir.as_deref(), None)?;
    let db = open_existing_database(&config).await?;
    let user = find(&db, &one.email).await?;
    match people::change(&db, user.id, &change, &Origin::operator()).await? {
        Changed::NotFound => Err(no_account(&one.email)),
        Changed::LastAdmin => Err(Failure(
            "nobody could administrate the installation then; promote somebody else first".to_owned(),
        )),
        Changed::Done(user) => {
            end_cached(&config, &db, &user).await?;
            let status = user.status().as_str();
            eprintln!(
                "{}: {}, {}, plan {}",
                user.email,
                user.role.as_str(),
                status,
                user.plan
            );
            Ok(())
        }
    }
}

/// Makes it hold at once, and says so where it can't be made to.
async fn end_cached(config: &Config, db: &Db, user: &User) -> Result<(), Failure> {
    let cache = adapters::cache(config).await?;
    let voided = void(db, &cache, users::proofs_of(db, user.id).await?).await?;
    if config.database.is_shared() && (voided == Voided::Soon || !cache.is_shared()) {
        eprintln!(
            "Redis was not told (redis.url, LAMPLIGHTER_REDIS_URL): if the APIs have one, they may go by what was for \
             up to 30 s more"
        );
    }
    Ok(())
}

async fn find(db: &Db, email: &str) -> Result<User, Failure> {
    let user = users::by_email(db, &address(email)?).await?;
    user.ok_or_else(|| no_account(email))
}

fn no_account(email: &str) -> Failure {
    Failure(format!("{email} has no account"))
}

fn check_plan(config: &Config, name: &str) -> Result<(), Failure> {
    if config.plans.contains_key(name) {
        return Ok(());
    }
    let names: Vec<&str> = config.plans.keys().map(String::as_str).collect();
    Err(Failure(format!(
        "there is no plan {name:?}; there are {}",
        names.join(", ")
    )))
}
