//! Registering. A known address and an unknown one take the same statements and give the same answer; what
//! differs is the mail.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        challenges::{self, NewChallenge},
        connection::Txn,
        invitations,
        tasks::NewTask,
        users::Role,
    },
    mail_in,
};
use crate::id::UserId;

/// Somebody who asks for an account.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Their address.
    pub email: String,
    /// Their password, as a PHC string.
    pub password_hash: String,
    /// What they want to be called; may be empty.
    pub display_name: String,
    /// Their language.
    pub locale: String,
    /// SHA-256 of the invitation they bring.
    pub invitation: Option<[u8; 32]>,
    /// Whether an admin need not let them in. An invitation does that, too.
    pub approved: bool,
    /// Their plan, where no invitation says otherwise.
    pub plan: String,
    /// What shows that the address is theirs, and the mail that brings it.
    pub verify: (NewChallenge, NewTask),
    /// What sets the password of an address that somebody registered before and nobody verified, and the mail
    /// that brings it.
    pub again: (NewChallenge, NewTask),
    /// The mail to who has an account already.
    pub known: NewTask,
    /// Who asks.
    pub origin: Origin,
}

/// What a registration came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// A mail says how it goes on.
    Mailed,
    /// There is no such invitation, or not for this address.
    NotInvited,
}

/// What a registration did to the account of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// There is one now.
    New(UserId),
    /// There was one that nobody had verified. Who of those who registered it owns the address, and so whose
    /// password counts, only its mail can tell.
    Again(UserId),
    /// It is somebody's.
    Taken,
}

/// Registers. An address that was registered before, and not verified, has no password from then on, and what
/// was mailed before is void: the mail of now leads to a new one. Else whoever registers somebody's address
/// before or after they do would have a password of an account that its owner then verifies.
///
/// # Errors
/// Where the database fails.
pub async fn register(db: &Db, new: Registration) -> Result<Registered, DbError> {
    db.transaction(|txn| {
        let (db, new) = (db.clone(), new.clone());
        Box::pin(async move {
            let mut invited = None;
            if let Some(fingerprint) = &new.invitation {
                invited = invitations::live_in(&db, txn, fingerprint, &new.email).await?;
                if invited.is_none() {
                    return Ok(Registered::NotInvited);
                }
            }
            let (role, plan) = match &invited {
                Some(invitation) => (invitation.role, invitation.plan.as_str()),
                None => (Role::User, new.plan.as_str()),
            };
            let approved = new.approved || invited.is_some();
            let made = upsert(&db, txn, &new, (role, plan, approved)).await?;
            let (challenge, mail, user) = match made {
                Made::New(user) => (&new.verify.0, &new.verify.1, Some(user)),
                Made::Again(user) => (&new.again.0, &new.again.1, Some(user)),
                Made::Taken => (&new.verify.0, &new.known, None),
            };
            let sql = "SELECT id FROM users WHERE email = $1";
            let row = txn
                .query_one_raw(db.statement(sql, [new.email.as_str().into()]))
                .await?;
            let known = row.map(|row| row.try_get("", "id").map(UserId)).transpose()?;
            // Also where the address has an account: what is left of an invitation must not tell of it.
            if let Some(invitation) = &invited {
                invitations::use_in(&db, txn, invitation.id, user).await?;
            }
            challenges::void_all_in(&db, txn, user.unwrap_or(UserId(Uuid::nil()))).await?;
            challenges::replace_in(&db, txn, user, challenge).await?;
            mail_in(&db, txn, known, mail).await?;
            let mut entry = match user {
                Some(_) => new.origin.did(Action::AccountRegister),
                None => new.origin.failed(Action::AccountRegister),
            };
            entry.user = known;
            entry.detail = invited.as_ref().map(|invitation| {
                json!({"role": role.as_str(), "plan": plan, "invitation": invitation.id.to_string()})
            });
            audit::record_in(&db, txn, &entry).await?;
            Ok(Registered::Mailed)
        })
    })
    .await
}

/// Makes the account, or takes the password from an unverified one. What an invitation gave it stays, unless
/// another one gives it something else.
async fn upsert(
    db: &Db,
    txn: &Txn,
    new: &Registration,
    (role, plan, approved): (Role, &str, bool),
) -> Result<Made, DbErr> {
    let sql = "INSERT INTO users (id, email, role, plan, created_at, password_hash, display_name, locale, approved_at)
        VALUES ($1, $2, $3, $4, {now}, $5, $6, $7, CASE WHEN $8 THEN {now} END)
        ON CONFLICT (email) DO UPDATE SET password_hash = NULL, created_at = excluded.created_at,
            display_name = excluded.display_name, locale = excluded.locale,
            role = CASE WHEN $9 THEN excluded.role ELSE users.role END,
            plan = CASE WHEN $9 THEN excluded.plan ELSE users.plan END,
            approved_at = CASE WHEN $9 THEN excluded.approved_at ELSE users.approved_at END
        WHERE users.verified_at IS NULL AND users.disabled_at IS NULL AND users.delete_at IS NULL
          AND users.is_guest = false
        RETURNING id";
    let id = UserId::generate();
    let values = [
        id.0.into(),
        new.email.as_str().into(),
        role.as_str().into(),
        plan.into(),
        new.password_hash.as_str().into(),
        new.display_name.as_str().into(),
        new.locale.as_str().into(),
        approved.into(),
        new.invitation.is_some().into(),
    ];
    let Some(row) = txn.query_one_raw(db.statement(sql, values)).await? else {
        return Ok(Made::Taken);
    };
    let made = UserId(row.try_get("", "id")?);
    Ok(if made == id {
        Made::New(made)
    } else {
        Made::Again(made)
    })
}
