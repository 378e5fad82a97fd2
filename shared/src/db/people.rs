//! The table `users` as an administrator sees and changes it. What people do to their own accounts stands in
//! files of its own.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Value,
    sea_query::{Expr, ExprTrait, Func, LikeExpr},
};
use serde_json::json;

use super::{
    Db, DbError, Dialect, accounts,
    audit::{self, Action, Entry, Origin},
    challenges::{self, NewChallenge},
    connection::Txn,
    entity::users::{Column, Entity, Model},
    tasks::{self, NewTask},
    users::{Role, User},
};
use crate::id::UserId;

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody's: it holds what somebody without an account did.
    Guest,
    /// It may do nothing.
    Disabled,
    /// Its owner deleted it; soon it is gone.
    Deleting,
    /// Its address was not shown to be its owner's yet.
    Unverified,
    /// An admin has to let it in.
    Waiting,
    /// It can be used.
    Active,
}

impl Status {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Disabled => "disabled",
            Self::Deleting => "deleting",
            Self::Unverified => "unverified",
            Self::Waiting => "waiting",
            Self::Active => "active",
        }
    }
}

impl User {
    /// How the account stands: the first that fits, in the order of [`Status`].
    pub fn status(&self) -> Status {
        if self.is_guest {
            Status::Guest
        } else if self.disabled_at.is_some() {
            Status::Disabled
        } else if self.delete_at.is_some() {
            Status::Deleting
        } else if self.verified_at.is_none() {
            Status::Unverified
        } else if self.approved_at.is_none() {
            Status::Waiting
        } else {
            Status::Active
        }
    }

    /// Whether they can administrate the installation.
    pub fn governs(&self) -> bool {
        self.role == Role::Admin && self.status() == Status::Active
    }
}

/// Which accounts a list holds. Guests are in it only where they are asked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// With this in the address or the name, upper or lower case.
    pub text: Option<String>,
    /// Of this role.
    pub role: Option<Role>,
    /// Of this plan.
    pub plan: Option<String>,
    /// That stand so.
    pub status: Option<Status>,
    /// Older than this account: where the last page ended.
    pub before: Option<UserId>,
    /// At most so many.
    pub limit: u64,
}

/// The accounts, newest first.
///
/// # Errors
/// Where the database fails.
pub async fn search(db: &Db, search: &Search) -> Result<Vec<User>, DbError> {
    let matching = standing(search.status)
        .add_option(search.text.as_deref().map(|text| containing(db.dialect(), text)))
        .add_option(search.role.map(|role| Column::Role.eq(role.as_str())))
        .add_option(search.plan.as_ref().map(|plan| Column::Plan.eq(plan)))
        .add_option(search.before.map(|id| Column::Id.lt(id.0)));
    let query = Entity::find()
        .filter(matching)
        .order_by_desc(Column::Id)
        .limit(search.limit);
    let rows = query.all(&db.read).await?;
    rows.into_iter().map(User::try_from).collect()
}

/// The same order of questions as in [`User::status`].
fn standing(status: Option<Status>) -> Condition {
    let all = Condition::all().add(Column::IsGuest.eq(status == Some(Status::Guest)));
    let usable = || {
        Condition::all()
            .add(Column::DisabledAt.is_null())
            .add(Column::DeleteAt.is_null())
    };
    match status {
        None | Some(Status::Guest) => all,
        Some(Status::Disabled) => all.add(Column::DisabledAt.is_not_null()),
        Some(Status::Deleting) => all
            .add(Column::DisabledAt.is_null())
            .add(Column::DeleteAt.is_not_null()),
        Some(Status::Unverified) => all.add(usable()).add(Column::VerifiedAt.is_null()),
        Some(Status::Waiting) => all
            .add(usable())
            .add(Column::VerifiedAt.is_not_null())
            .add(Column::ApprovedAt.is_null()),
        Some(Status::Active) => all
            .add(usable())
            .add(Column::VerifiedAt.is_not_null())
            .add(Column::ApprovedAt.is_not_null()),
    }
}

fn containing(dialect: Dialect, text: &str) -> Condition {
    if !text.is_ascii() {
        return containing_any_case(dialect, text);
    }
    let mut pattern = "%".to_owned();
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    let like = |column| Func::lower(Expr::col(column)).like(LikeExpr::new(pattern.clone()).escape('\\'));
    Condition::any()
        .add(like(Column::Email))
        .add(like(Column::DisplayName))
}

/// The same for a text beyond ASCII: `lower()` knows no other letters on SQLite, nor on Postgres with the locale C.
/// Of those, either case is looked for: by a glob there, by a regular expression here.
fn containing_any_case(dialect: Dialect, text: &str) -> Condition {
    let (operator, ends) = match dialect {
        Dialect::Sqlite => ("GLOB ?", "*"),
        Dialect::Postgres => ("~ $1", ""),
    };
    let mut pattern = ends.to_owned();
    for c in text.chars() {
        match c {
            c if !c.is_ascii() => {
                pattern.extend(['[', c]);
                pattern.extend(only(c.to_lowercase()));
                pattern.extend(only(c.to_uppercase()));
                pattern.push(']');
            }
            '*' | '?' | '[' if dialect == Dialect::Sqlite => pattern.extend(['[', c, ']']),
            c if c.is_ascii_punctuation() && dialect == Dialect::Postgres => pattern.extend(['\\', c]),
            c => pattern.push(c.to_ascii_lowercase()),
        }
    }
    pattern.push_str(ends);
    let like = |column| Expr::cust_with_values(format!("lower({column}) {operator}"), [pattern.as_str()]);
    Condition::any().add(like("email")).add(like("display_name"))
}

/// The character, where it is a single one.
fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

/// What an admin changes of an account. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What the user may do.
    pub role: Option<Role>,
    /// The name of their plan.
    pub plan: Option<String>,
    /// Whether they may do nothing.
    pub disabled: Option<bool>,
    /// That they are let in: the mail that tells them so, for the outbox.
    pub approved: Option<Option<NewTask>>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// There is no such account.
    NotFound,
    /// Nobody could administrate the installation after it.
    LastAdmin,
    /// The account, as it is now.
    Done(Box<User>),
}

/// Changes an account, and tells the audit log what of it really changed. A change of the role and a
/// disabling end the user's sessions. Who is made an administrator before they verified their address has no password
/// from then on: somebody else may have chosen it. The caller voids what the cache has of the user
/// (`users::proofs_of`), before it answers.
///
/// # Errors
/// Where the database fails.
pub async fn change(db: &Db, id: UserId, change: &Change, origin: &Origin) -> Result<Changed, DbError> {
    let change = (*change).clone();
    db.transaction(move |txn| {
        let (db, change, origin) = (db.clone(), change.clone(), origin.clone());
        Box::pin(async move {
            // All admins first: of two that demote each other, the second sees what the first did.
            let governors = governors_in(&db, txn).await?;
            let Some(user) = lock(&db, txn, ONE, vec![id.0.into()]).await?.pop() else {
                return Ok(Changed::NotFound);
            };
            let mut after = user.clone();
            let entries = apply(&change, &mut after, &origin, db_now(&db, txn).await?);
            let others = governors.iter().any(|other| *other != id);
            if user.governs() && !after.governs() && !others {
                return Ok(Changed::LastAdmin);
            }
            store(&db, txn, &user, &after).await?;
            for entry in &entries {
                audit::record_in(&db, txn, entry).await?;
            }
            if let Some(Some(mail)) = change.approved.filter(|_| user.approved_at.is_none()) {
                tasks::enqueue_in(&db, txn, &mail).await?;
            }
            Ok(Changed::Done(Box::new(after)))
        })
    })
    .await
}

const ADMINS: &str = "role = 'admin' ORDER BY id";
const ONE: &str = "id = $1";

/// Who can administrate the installation. Every administrator's account is locked by that, so that the last two can't
/// leave at once.
pub(super) async fn governors_in(db: &Db, txn: &Txn) -> Result<Vec<UserId>, DbErr> {
    let admins = lock(db, txn, ADMINS, vec![]).await?;
    let governors = admins.iter().filter(|admin| admin.governs());
    Ok(governors.map(|admin| admin.id).collect())
}

async fn lock(db: &Db, txn: &Txn, rows: &str, values: Vec<Value>) -> Result<Vec<User>, DbErr> {
    let columns =
        "id, email, role, created_at, password_hash, display_name, locale, plan, is_guest, verified_at,
        approved_at, disabled_at, delete_at, last_login_at, last_login_address";
    let sql = format!("SELECT {columns} FROM users WHERE {rows} {{for_update}}");
    let rows = txn.query_all_raw(db.statement(&sql, values)).await?;
    let user =
        |row| User::try_from(Model::from_query_result(row, "")?).map_err(|e| DbErr::Custom(e.to_string()));
    rows.iter().map(user).collect()
}

async fn db_now(db: &Db, txn: &Txn) -> Result<i64, DbErr> {
    let row = txn.query_one_raw(db.statement("SELECT {now} AS now", [])).await?;
    row.ok_or_else(|| DbErr::Custom("SELECT without FROM gave no row".to_owned()))?
        .try_get("", "now")
}

/// Changes the copy, and says what changed in it.
fn apply(change: &Change, user: &mut User, origin: &Origin, now: i64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let id = user.id;
    let mut tell = |action, detail: Option<serde_json::Value>| {
        let entry = origin.did(action).user(id).subject(id);
        entries.push(match detail {
            Some(detail) => entry.detail(detail),
            None => entry,
        });
    };
    if let Some(role) = change.role.filter(|role| *role != user.role) {
        let detail = json!({"from": user.role.as_str(), "to": role.as_str()});
        tell(Action::RoleChange, Some(detail));
        user.role = role;
    }
    if let Some(plan) = change.plan.as_ref().filter(|plan| **plan != user.plan) {
        tell(Action::PlanAssign, Some(json!({"from": user.plan, "to": plan})));
        user.plan.clone_from(plan);
    }
    match change.disabled {
        Some(true) if user.disabled_at.is_none() => {
            tell(Action::AccountDisable, None);
            user.disabled_at = Some(now);
        }
        Some(false) if user.disabled_at.is_some() => {
            tell(Action::AccountEnable, None);
            user.disabled_at = None;
        }
        _ => {}
    }
    if change.approved.is_some() && user.approved_at.is_none() {
        tell(Action::AccountApprove, None);
        user.approved_at = Some(now);
    }
    entries
}

async fn store(db: &Db, txn: &Txn, before: &User, after: &User) -> Result<(), DbErr> {
    let sql = "UPDATE users SET role = $2, plan = $3, disabled_at = $4, approved_at = $5 WHERE id = $1";
    let values = [
        after.id.0.into(),
        after.role.as_str().into(),
        after.plan.as_str().into(),
        after.disabled_at.into(),
        after.approved_at.into(),
    ];
    txn.execute_raw(db.statement(sql, values)).await?;
    if before.role != after.role && after.role == Role::Admin && after.verified_at.is_none() {
        let sql = "UPDATE users SET password_hash = NULL WHERE id = $1";
        txn.execute_raw(db.statement(sql, [after.id.0.into()])).await?;
        challenges::void_all_in(db, txn, after.id).await?;
    }
    if before.role != after.role || before.disabled_at.is_none() && after.disabled_at.is_some() {
        end_all(db, txn, after.id).await?;
    }
    Ok(())
}

async fn end_all(db: &Db, txn: &Txn, user: UserId) -> Result<u64, DbErr> {
    let sql = "UPDATE sessions SET ended_at = {now} WHERE user_id = $1 AND ended_at IS NULL";
    Ok(txn
        .execute_raw(db.statement(sql, [user.0.into()]))
        .await?
        .rows_affected())
}

/// Ends all sessions of a user; whether there is such a user. The caller voids what the cache has of them.
///
/// # Errors
/// Where the database fails.
pub async fn end_sessions(db: &Db, id: UserId, origin: &Origin) -> Result<bool, DbError> {
    db.transaction(move |txn| {
        let (db, entry) = (db.clone(), origin.did(Action::SessionEndAll).user(id).subject(id));
        Box::pin(async move {
            if lock(&db, txn, ONE, vec![id.0.into()]).await?.is_empty() {
                return Ok(false);
            }
            let ended = end_all(&db, txn, id).await?;
            let entry = entry.detail(json!({"sessions": ended}));
            audit::record_in(&db, txn, &entry).await?;
            Ok(true)
        })
    })
    .await
}

/// An account that somebody at the server's machine makes: verified and let in.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The address.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// The name of their plan.
    pub plan: String,
    /// The password as a PHC string; none: it is chosen by a set-up link, or there is none.
    pub password_hash: Option<String>,
    /// What claims the account, and sets its password.
    pub setup: Option<NewChallenge>,
}

/// Makes an account; none where the address has one. One that nobody verified does not have it.
///
/// # Errors
/// Where the database fails.
pub async fn create(db: &Db, new: &NewAccount, origin: &Origin) -> Result<Option<UserId>, DbError> {
    let id = UserId::generate();
    let sql = "INSERT INTO users (id, email, role, plan, password_hash, created_at, verified_at, approved_at)
        VALUES ($1, $2, $3, $4, $5, {now}, {now}, {now}) ON CONFLICT (email) DO NOTHING";
    let values = [
        id.0.into(),
        new.email.as_str().into(),
        new.role.as_str().into(),
        new.plan.as_str().into(),
        new.password_hash.clone().into(),
    ];
    let statement = db.statement(sql, values);
    let detail = json!({"role": new.role.as_str(), "plan": new.plan});
    let entry = origin
        .did(Action::AccountCreate)
        .user(id)
        .subject(id)
        .detail(detail);
    db.transaction(move |txn| {
        let (db, statement, entry) = (db.clone(), statement.clone(), entry.clone());
        let (email, setup) = (new.email.clone(), new.setup.clone());
        Box::pin(async move {
            accounts::make_room_in(&db, txn, &email, None).await?;
            if txn.execute_raw(statement).await?.rows_affected() == 0 {
                return Ok(None);
            }
            if let Some(setup) = &setup {
                challenges::replace_in(&db, txn, Some(id), setup).await?;
            }
            audit::record_in(&db, txn, &entry).await?;
            Ok(Some(id))
        })
    })
    .await
}
