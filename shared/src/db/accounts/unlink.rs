//! Taking an account at an issuer away from an account, unless nothing else opens it.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        connection::Txn,
        tasks::NewTask,
    },
    end_sessions_in, mail_in,
};
use crate::id::{SessionId, UserId};

/// An account at an issuer that is to open an account no longer.
#[derive(Debug, Clone)]
pub struct Unlink {
    /// Whose account.
    pub user: UserId,
    /// The issuer's address.
    pub issuer: String,
    /// Its name for the account there.
    pub subject: String,
    /// The addresses of the issuers that one can log in at now.
    pub issuers: Vec<String>,
    /// The session that goes on; all others end, for one of them may have been begun that way.
    pub keep: SessionId,
    /// The mail that says so.
    pub notice: NewTask,
    /// Who asks.
    pub origin: Origin,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// It opens the account no longer.
    Done,
    /// It is not linked to the account.
    NotFound,
    /// The account has no password, and no other issuer opens it.
    OnlyWay,
}

/// Takes it away. The caller voids what the cache has of the user before it answers.
///
/// # Errors
/// Where the database fails.
pub async fn unlink(db: &Db, unlink: Unlink) -> Result<Unlinked, DbError> {
    db.transaction(|txn| {
        let (db, unlink) = (db.clone(), unlink.clone());
        Box::pin(async move { unlink_in(&db, txn, &unlink).await })
    })
    .await
}

async fn unlink_in(db: &Db, txn: &Txn, unlink: &Unlink) -> Result<Unlinked, DbErr> {
    // Locks the account: of two ways that are taken away at once, the second sees that it is the last.
    let sql = "SELECT password_hash IS NOT NULL AS has_password FROM users WHERE id = $1 {for_update}";
    let user = txn
        .query_one_raw(db.statement(sql, [unlink.user.0.into()]))
        .await?;
    let Some(user) = user else {
        return Ok(Unlinked::NotFound);
    };
    let sql = "SELECT issuer, subject FROM identities WHERE user_id = $1";
    let rows = txn
        .query_all_raw(db.statement(sql, [unlink.user.0.into()]))
        .await?;
    let (mut found, mut others) = (false, 0);
    for row in rows {
        let (issuer, subject): (String, String) = (row.try_get("", "issuer")?, row.try_get("", "subject")?);
        if (&issuer, &subject) == (&unlink.issuer, &unlink.subject) {
            found = true;
        } else if unlink.issuers.contains(&issuer) {
            others += 1;
        }
    }
    if !found {
        return Ok(Unlinked::NotFound);
    }
    let entry = |entry: audit::Entry| entry.user(unlink.user).detail(json!({"issuer": unlink.issuer}));
    if others == 0 && !user.try_get::<bool>("", "has_password")? {
        let entry = entry(unlink.origin.failed(Action::IdentityUnlink));
        audit::record_in(db, txn, &entry).await?;
        return Ok(Unlinked::OnlyWay);
    }
    let sql = "DELETE FROM identities WHERE user_id = $1 AND issuer = $2 AND subject = $3";
    let values = [
        unlink.user.0.into(),
        unlink.issuer.as_str().into(),
        unlink.subject.as_str().into(),
    ];
    txn.execute_raw(db.statement(sql, values)).await?;
    end_sessions_in(db, txn, unlink.user, Some(unlink.keep)).await?;
    mail_in(db, txn, Some(unlink.user), &unlink.notice).await?;
    let entry = entry(unlink.origin.did(Action::IdentityUnlink));
    audit::record_in(db, txn, &entry).await?;
    Ok(Unlinked::Done)
}
