//! The table `identities`: accounts at issuers of OpenID Connect, and to whom of us they belong.
//!
//! [`arrive`] decides who somebody is that an issuer vouches for. An address alone never opens an account that
//! has another way in: whoever registered it first would share it with its owner, or its owner with whoever
//! runs the issuer.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::{
    Db, DbError,
    audit::{self, Action, Entry, Origin},
    connection::Txn,
    tasks::{self, NewTask},
};
use crate::{
    clock::UnixMillis,
    config::Registration,
    id::{InvitationId, UserId},
};

/// An account at an issuer that somebody logs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer's address.
    pub issuer: String,
    /// Its name for the account; unique at the issuer, and never given to somebody else.
    pub subject: String,
    /// The address it told of last.
    pub email: Option<String>,
    /// When it was linked.
    pub created_at: UnixMillis,
    /// When it was used last.
    pub last_login_at: Option<UnixMillis>,
}

/// Somebody whom an issuer vouches for.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The issuer's address.
    pub issuer: String,
    /// Its name for them.
    pub subject: String,
    /// The address that the issuer has seen to be theirs, as accounts have it; none: it does not say so.
    pub email: Option<String>,
    /// What they are called there; may be empty.
    pub display_name: String,
    /// Their language, where it is known.
    pub locale: Option<String>,
    /// Who is logged in already and wants to log in this way, too.
    pub link_to: Option<UserId>,
    /// Who may register.
    pub registration: Registration,
    /// The plan of those who register.
    pub plan: String,
    /// Tells the account's address that it was linked.
    pub mail: Option<NewTask>,
    /// Who asks, for the audit log.
    pub origin: Origin,
    /// The provider's id, for the audit log.
    pub provider: String,
}

/// Who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody who logged in this way before.
    Known(UserId),
    /// Somebody with an account, which has this way in from now on.
    Linked(UserId),
    /// Somebody new.
    Registered(UserId),
    /// The owner of an address that somebody registered and never showed to be theirs: the account is the
    /// owner's now, and nothing of before opens it.
    TakenOver(UserId),
    /// It belongs to another account.
    LinkedElsewhere,
    /// The issuer does not vouch for an address.
    NoAddress,
    /// The address has an account with another way in: that comes first.
    LinkFirst,
    /// New ones are not let in.
    Closed,
}

/// Finds out who somebody is, and makes or links the account where that is allowed.
///
/// # Errors
/// Where the database fails.
pub async fn arrive(db: &Db, arrival: &Arrival) -> Result<Outcome, DbError> {
    db.transaction(|txn| {
        let (db, arrival) = (db.clone(), arrival.clone());
        Box::pin(async move { arrive_in(&db, txn, &arrival).await })
    })
    .await
}

async fn arrive_in(db: &Db, txn: &Txn, arrival: &Arrival) -> Result<Outcome, DbErr> {
    if let Some(known) = known(db, txn, arrival).await? {
        return Ok(known);
    }
    if let Some(user) = arrival.link_to {
        return link(db, txn, arrival, user).await;
    }
    let Some(email) = &arrival.email else {
        return Ok(Outcome::NoAddress);
    };
    if let Some(registered) = register(db, txn, arrival, email).await? {
        return Ok(registered);
    }
    let sql = "SELECT id, role, verified_at, password_hash FROM users WHERE email = $1 {for_update}";
    let row = txn
        .query_one_raw(db.statement(sql, [email.as_str().into()]))
        .await?;
    let Some(row) = row else {
        return Ok(Outcome::Closed);
    };
    let user = UserId(row.try_get("", "id")?);
    // The other half of a double click may have been here while this one waited.
    if let Some(known) = known(db, txn, arrival).await? {
        return Ok(known);
    }
    if row.try_get::<Option<UnixMillis>>("", "verified_at")?.is_none() {
        return take_over(db, txn, arrival, user).await;
    }
    let trusted = row.try_get::<String>("", "role")? == "user"
        && row.try_get::<Option<String>>("", "password_hash")?.is_none()
        && !has_identity(db, txn, user).await?;
    if trusted {
        // Made by an operator, and never opened by anybody.
        return link(db, txn, arrival, user).await;
    }
    Ok(Outcome::LinkFirst)
}

async fn known(db: &Db, txn: &Txn, arrival: &Arrival) -> Result<Option<Outcome>, DbErr> {
    let sql = "UPDATE identities SET last_login_at = {now}, email = coalesce($3, email)
        WHERE issuer = $1 AND subject = $2 RETURNING user_id";
    let values = [
        arrival.issuer.as_str().into(),
        arrival.subject.as_str().into(),
        arrival.email.clone().into(),
    ];
    let Some(row) = txn.query_one_raw(db.statement(sql, values)).await? else {
        return Ok(None);
    };
    let user = UserId(row.try_get("", "user_id")?);
    Ok(Some(match arrival.link_to {
        Some(other) if other != user => Outcome::LinkedElsewhere,
        _ => Outcome::Known(user),
    }))
}

async fn has_identity(db: &Db, txn: &Txn, user: UserId) -> Result<bool, DbErr> {
    let sql = "SELECT 1 AS one FROM identities WHERE user_id = $1 LIMIT 1";
    let row = txn.query_one_raw(db.statement(sql, [user.0.into()])).await?;
    Ok(row.is_some())
}

/// Stores the identity; false where another transaction was faster.
async fn insert(db: &Db, txn: &Txn, arrival: &Arrival, user: UserId) -> Result<bool, DbErr> {
    let sql = "INSERT INTO identities (issuer, subject, user_id, email, created_at, last_login_at)
        VALUES ($1, $2, $3, $4, {now}, {now}) ON CONFLICT (issuer, subject) DO NOTHING";
    let values = [
        arrival.issuer.as_str().into(),
        arrival.subject.as_str().into(),
        user.0.into(),
        arrival.email.clone().into(),
    ];
    Ok(txn.execute_raw(db.statement(sql, values)).await?.rows_affected() > 0)
}

fn entry(arrival: &Arrival, action: Action, user: UserId) -> Entry {
    let detail = json!({"provider": arrival.provider});
    arrival.origin.did(action).user(user).detail(detail)
}

async fn link(db: &Db, txn: &Txn, arrival: &Arrival, user: UserId) -> Result<Outcome, DbErr> {
    if !insert(db, txn, arrival, user).await? {
        return Ok(known(db, txn, arrival).await?.unwrap_or(Outcome::LinkedElsewhere));
    }
    told(db, txn, arrival, user).await?;
    audit::record_in(db, txn, &entry(arrival, Action::IdentityLink, user)).await?;
    Ok(Outcome::Linked(user))
}

async fn told(db: &Db, txn: &Txn, arrival: &Arrival, user: UserId) -> Result<(), DbErr> {
    if let Some(mail) = &arrival.mail {
        let mail = NewTask {
            user: Some(user),
            ..mail.clone()
        };
        tasks::enqueue_in(db, txn, &mail).await?;
    }
    Ok(())
}

/// Makes the account; none where it is not allowed, or the address has one.
async fn register(db: &Db, txn: &Txn, arrival: &Arrival, email: &str) -> Result<Option<Outcome>, DbErr> {
    let sql = "SELECT id, role, plan FROM invitations
        WHERE email = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > {now}
        ORDER BY created_at LIMIT 1 {for_update}";
    let invitation = txn.query_one_raw(db.statement(sql, [email.into()])).await?;
    let (role, plan, approved) = match (&invitation, arrival.registration) {
        // Closed is closed, with an invitation, too, and by whichever way somebody comes.
        (_, Registration::Closed) => return Ok(None),
        (Some(row), _) => (row.try_get("", "role")?, row.try_get("", "plan")?, true),
        (None, Registration::Open) => ("user".to_owned(), arrival.plan.clone(), true),
        (None, Registration::Approval) => ("user".to_owned(), arrival.plan.clone(), false),
        (None, Registration::Invite) => return Ok(None),
    };
    let user = UserId::generate();
    let sql = "INSERT INTO users
            (id, email, role, plan, display_name, locale, created_at, verified_at, approved_at)
        VALUES ($1, $2, $3, $4, $5, $6, {now}, {now}, CASE WHEN $7 THEN {now} END)
        ON CONFLICT (email) DO NOTHING";
    let values = [
        user.0.into(),
        email.into(),
        role.as_str().into(),
        plan.as_str().into(),
        arrival.display_name.as_str().into(),
        arrival.locale.clone().into(),
        approved.into(),
    ];
    if txn.execute_raw(db.statement(sql, values)).await?.rows_affected() == 0 {
        return Ok(None);
    }
    if !insert(db, txn, arrival, user).await? {
        return Err(DbErr::Custom("an identity has two addresses at once".to_owned()));
    }
    let mut registered = entry(arrival, Action::AccountRegister, user);
    if let Some(row) = invitation {
        let sql = "UPDATE invitations SET used_at = {now}, used_by = $2 WHERE id = $1";
        let id: uuid::Uuid = row.try_get("", "id")?;
        registered.detail = Some(json!({
            "provider": arrival.provider, "role": role, "plan": plan, "invitation": InvitationId(id).to_string(),
        }));
        txn.execute_raw(db.statement(sql, [id.into(), user.0.into()]))
            .await?;
    }
    audit::record_in(db, txn, &registered).await?;
    Ok(Some(Outcome::Registered(user)))
}

/// The issuer has seen whose the address is; who registered it here did not show that.
async fn take_over(db: &Db, txn: &Txn, arrival: &Arrival, user: UserId) -> Result<Outcome, DbErr> {
    let sql = "UPDATE users SET password_hash = NULL, verified_at = {now}, display_name = $2 WHERE id = $1";
    let values = [user.0.into(), arrival.display_name.as_str().into()];
    txn.execute_raw(db.statement(sql, values)).await?;
    for sql in [
        "UPDATE challenges SET used_at = {now} WHERE user_id = $1 AND used_at IS NULL",
        "UPDATE sessions SET ended_at = {now} WHERE user_id = $1 AND ended_at IS NULL",
        "UPDATE api_tokens SET revoked_at = {now} WHERE user_id = $1 AND revoked_at IS NULL",
    ] {
        txn.execute_raw(db.statement(sql, [user.0.into()])).await?;
    }
    match link(db, txn, arrival, user).await? {
        Outcome::Linked(user) => {
            audit::record_in(db, txn, &entry(arrival, Action::AccountVerify, user)).await?;
            Ok(Outcome::TakenOver(user))
        }
        // Somebody else has this identity since a moment ago: nothing of this may stand.
        _ => Err(DbErr::Custom("an identity has two addresses at once".to_owned())),
    }
}

/// The identities of a user, in the order in which they were linked.
///
/// # Errors
/// Where the database fails.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<Identity>, DbError> {
    let sql = "SELECT issuer, subject, email, created_at, last_login_at FROM identities
        WHERE user_id = $1 ORDER BY created_at, issuer, subject";
    let rows = db.query_all(sql, vec![user.0.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Identity {
                issuer: row.try_get("", "issuer")?,
                subject: row.try_get("", "subject")?,
                email: row.try_get("", "email")?,
                created_at: row.try_get("", "created_at")?,
                last_login_at: row.try_get("", "last_login_at")?,
            })
        })
        .collect()
}
