//! Changing a password by who knows it.

use sea_orm::ConnectionTrait;

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        challenges,
        tasks::NewTask,
    },
    end_sessions_in, mail_in,
};
use crate::id::{SessionId, UserId};

/// A password to be changed.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose.
    pub user: UserId,
    /// The hash of the password that was shown to be known: it must still be the one.
    pub old_hash: String,
    /// The new one.
    pub new_hash: String,
    /// The session that goes on; all others end.
    pub keep: SessionId,
    /// The mail that says so.
    pub notice: NewTask,
    /// Who asks.
    pub origin: Origin,
}

/// Changes it; whether it still was what it was.
///
/// # Errors
/// Where the database fails.
pub async fn change_password(db: &Db, change: PasswordChange) -> Result<bool, DbError> {
    db.transaction(|txn| {
        let (db, change) = (db.clone(), change.clone());
        Box::pin(async move {
            let user = change.user;
            let sql = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
            let values = [
                user.0.into(),
                change.old_hash.as_str().into(),
                change.new_hash.as_str().into(),
            ];
            if txn.execute_raw(db.statement(sql, values)).await?.rows_affected() == 0 {
                return Ok(false);
            }
            end_sessions_in(&db, txn, user, Some(change.keep)).await?;
            challenges::void_all_in(&db, txn, user).await?;
            mail_in(&db, txn, Some(user), &change.notice).await?;
            let entry = change.origin.did(Action::PasswordChange).user(user);
            audit::record_in(&db, txn, &entry).await?;
            Ok(true)
        })
    })
    .await
}
