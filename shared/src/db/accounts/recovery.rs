//! Mails with a link that somebody asked for by naming an address, and the reset that one of them leads to.
//! Whether the address has an account shows in the mail only: every address takes the same statements.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        challenges::{self, NewChallenge, Purpose},
        connection::Txn,
        tasks::NewTask,
    },
    end_sessions_in, mail_in,
};
use crate::id::UserId;

/// Somebody asks for a mail.
#[derive(Debug, Clone)]
pub struct Request {
    /// The address they name.
    pub email: String,
    /// What the mail brings. [`Purpose::Verify`] goes to accounts that are not verified yet,
    /// [`Purpose::Reset`] to all.
    pub challenge: NewChallenge,
    /// The mail.
    pub mail: NewTask,
    /// Who asks.
    pub origin: Origin,
}

/// Sends the mail, where the address has an account that it is for.
///
/// # Errors
/// Where the database fails.
pub async fn send(db: &Db, request: Request) -> Result<(), DbError> {
    let action = match request.challenge.purpose {
        Purpose::Reset => Action::AccountRecover,
        _ => Action::AccountRegister,
    };
    db.transaction(|txn| {
        let (db, request) = (db.clone(), request.clone());
        Box::pin(async move {
            let user = receiver(&db, txn, &request).await?;
            challenges::replace_in(&db, txn, user, &request.challenge).await?;
            mail_in(&db, txn, user, &request.mail).await?;
            let mut entry = match user {
                Some(_) => request.origin.did(action),
                None => request.origin.failed(action),
            };
            entry.user = user;
            if action == Action::AccountRegister {
                entry.detail = Some(json!({"step": "asked for the mail again"}));
            }
            audit::record_in(&db, txn, &entry).await
        })
    })
    .await
}

async fn receiver(db: &Db, txn: &Txn, request: &Request) -> Result<Option<UserId>, DbErr> {
    let sql = "SELECT id FROM users WHERE email = $1 AND disabled_at IS NULL AND is_guest = false
        AND (verified_at IS NULL OR $2)";
    let any = request.challenge.purpose == Purpose::Reset;
    let row = txn
        .query_one_raw(db.statement(sql, [request.email.as_str().into(), any.into()]))
        .await?;
    row.map(|row| row.try_get("", "id").map(UserId)).transpose()
}

/// Sets the password by the token of a mail and ends all sessions; whose account it was. Tokens for programs
/// stay: who forgot a password has not lost them. Whoever reads the mail has shown that the address is theirs.
///
/// # Errors
/// Where the database fails.
pub async fn reset(
    db: &Db,
    fingerprint: &[u8; 32],
    password_hash: &str,
    (notice, origin): (&NewTask, &Origin),
) -> Result<Option<UserId>, DbError> {
    let (notice, origin) = (notice.clone(), origin.clone());
    let (fingerprint, password_hash) = (*fingerprint, password_hash.to_owned());
    db.transaction(|txn| {
        let (db, notice, origin) = (db.clone(), notice.clone(), origin.clone());
        let password_hash = password_hash.clone();
        Box::pin(async move {
            let Some(met) = challenges::meet_in(&db, txn, Purpose::Reset, &fingerprint).await? else {
                audit::record_in(&db, txn, &origin.failed(Action::AccountReset)).await?;
                return Ok(None);
            };
            let sql = "UPDATE users SET password_hash = $2, verified_at = coalesce(verified_at, {now})
                WHERE id = $1 AND email = $3 AND disabled_at IS NULL AND coalesce(delete_at, 1) > 0";
            let values = [
                met.user.0.into(),
                password_hash.as_str().into(),
                met.email.as_str().into(),
            ];
            if txn.execute_raw(db.statement(sql, values)).await?.rows_affected() == 0 {
                audit::record_in(&db, txn, &origin.failed(Action::AccountReset).user(met.user)).await?;
                return Ok(None);
            }
            end_sessions_in(&db, txn, met.user, None).await?;
            challenges::void_all_in(&db, txn, met.user).await?;
            mail_in(&db, txn, Some(met.user), &notice).await?;
            audit::record_in(&db, txn, &origin.did(Action::AccountReset).user(met.user)).await?;
            Ok(Some(met.user))
        })
    })
    .await
}
