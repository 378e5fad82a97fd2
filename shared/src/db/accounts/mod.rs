//! What becomes of accounts: whole transactions over `users` and all that hangs on it, from the registration to
//! the last row of a deleted account. Mails and audit entries are written with what they tell of.
//!
//! Where a stranger could learn from the work whether an address has an account, all ways take the same
//! statements: what has nothing to do does it to no row.

mod address;
mod deletion;
mod password;
mod purge;
mod recovery;
mod registration;
mod setup;
mod unlink;

pub use address::{AddressRequest, Verified, request_address, update_profile, verify};
pub use deletion::{Deletion, cancel_jobs, schedule_deletion};
pub use password::{PasswordChange, change_password};
pub(super) use purge::purge;
pub use recovery::{Request, reset, send};
pub use registration::{Registered, Registration, register};
pub use setup::{SetUp, claim, claimed};
pub use unlink::{Unlink, Unlinked, unlink};

use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::{
    Db,
    connection::Txn,
    tasks::{self, NewTask},
};
use crate::id::{SessionId, UserId};

/// Removes the account that somebody registered with this address and nobody verified, for who has shown more: so it
/// keeps nothing from them. Not that of `keep`, and none with jobs.
pub(super) async fn make_room_in(db: &Db, txn: &Txn, email: &str, keep: Option<UserId>) -> Result<(), DbErr> {
    let sql = "DELETE FROM users WHERE email = $1 AND verified_at IS NULL AND is_guest = false AND id <> $2
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.owner_id = users.id)";
    let keep = keep.map_or(Uuid::nil(), |user| user.0);
    txn.execute_raw(db.statement(sql, [email.into(), keep.into()]))
        .await?;
    Ok(())
}

/// Stores a mail for a user; without one nothing, by the same work.
async fn mail_in(db: &Db, txn: &Txn, user: Option<UserId>, mail: &NewTask) -> Result<(), DbErr> {
    let mail = NewTask { user, ..mail.clone() };
    tasks::enqueue_if_in(db, txn, &mail, user.is_some()).await?;
    Ok(())
}

/// Ends the sessions of a user, but for one.
async fn end_sessions_in(db: &Db, txn: &Txn, user: UserId, keep: Option<SessionId>) -> Result<(), DbErr> {
    let sql = "UPDATE sessions SET ended_at = {now} WHERE user_id = $1 AND ended_at IS NULL AND id <> $2";
    let keep = keep.map_or(Uuid::nil(), |session| session.0);
    txn.execute_raw(db.statement(sql, [user.0.into(), keep.into()]))
        .await?;
    Ok(())
}
