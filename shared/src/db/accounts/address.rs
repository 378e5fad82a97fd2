//! The address of an account and the rest of its profile: showing that an address is one's own, and changing it.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        challenges::{self, Met, NewChallenge, Proof, Purpose},
        connection::Txn,
        tasks::NewTask,
    },
    mail_in, make_room_in,
};
use crate::id::UserId;

/// An address was shown to be somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose account it is.
    pub user: UserId,
    /// The address it had before, where it has another one now.
    pub old_address: Option<String>,
}

/// A new address that an account is to have.
#[derive(Debug, Clone)]
pub struct AddressRequest {
    /// The account.
    pub user: UserId,
    /// What shows that the new address is theirs; it goes there.
    pub challenge: NewChallenge,
    /// The mail that brings it.
    pub confirm: NewTask,
    /// The mail to who has an account with that address already.
    pub known: NewTask,
    /// Who asks.
    pub origin: Origin,
}

/// Uses what shows that an address is somebody's: a new account is verified, or an account gets its new address.
/// None where it shows nothing. `notice` goes to the address that an account had.
///
/// # Errors
/// Where the database fails.
pub async fn verify(
    db: &Db,
    proof: &Proof,
    notice: &NewTask,
    origin: &Origin,
) -> Result<Option<Verified>, DbError> {
    db.transaction(|txn| {
        let (db, proof) = (db.clone(), proof.clone());
        let (notice, origin) = (notice.clone(), origin.clone());
        Box::pin(async move {
            let verified = match challenges::meet_address_in(&db, txn, &proof).await? {
                Some(met) if met.purpose == Purpose::Email => move_to(&db, txn, &met).await?,
                Some(met) => first(&db, txn, &met).await?,
                None => None,
            };
            let Some(verified) = verified else {
                audit::record_in(&db, txn, &origin.failed(Action::AccountVerify)).await?;
                return Ok(None);
            };
            let mut action = Action::AccountVerify;
            if let Some(old) = &verified.old_address {
                action = Action::EmailChange;
                let notice = NewTask {
                    recipient: Some(old.clone()),
                    ..notice
                };
                mail_in(&db, txn, Some(verified.user), &notice).await?;
            }
            challenges::void_all_in(&db, txn, verified.user).await?;
            let mut entry = origin.did(action).user(verified.user);
            if action == Action::EmailChange {
                entry.detail = Some(json!({"step": "confirmed"}));
            }
            audit::record_in(&db, txn, &entry).await?;
            Ok(Some(verified))
        })
    })
    .await
}

async fn first(db: &Db, txn: &Txn, met: &Met) -> Result<Option<Verified>, DbErr> {
    let sql = "UPDATE users SET verified_at = coalesce(verified_at, {now}) WHERE id = $1 AND email = $2
        AND coalesce(delete_at, 1) > 0";
    let values = [met.user.0.into(), met.email.as_str().into()];
    let rows = txn.execute_raw(db.statement(sql, values)).await?.rows_affected();
    Ok((rows > 0).then_some(Verified {
        user: met.user,
        old_address: None,
    }))
}

/// Gives an account its new address, unless somebody has it by now. An account that nobody verified does not
/// have it.
async fn move_to(db: &Db, txn: &Txn, met: &Met) -> Result<Option<Verified>, DbErr> {
    let (user, email) = (met.user, met.email.as_str());
    let sql = "SELECT email FROM users WHERE id = $1 AND disabled_at IS NULL {for_update}";
    let Some(row) = txn.query_one_raw(db.statement(sql, [user.0.into()])).await? else {
        return Ok(None);
    };
    let old: String = row.try_get("", "email")?;
    make_room_in(db, txn, email, Some(user)).await?;
    let sql = "UPDATE users SET email = $2, verified_at = {now}
        WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM users AS other WHERE other.email = $2)";
    let rows = txn
        .execute_raw(db.statement(sql, [user.0.into(), email.into()]))
        .await?;
    Ok((rows.rows_affected() > 0).then_some(Verified {
        user,
        old_address: Some(old),
    }))
}

/// Asks the new address whether it is the user's. Nothing else changes before it says so.
///
/// # Errors
/// Where the database fails.
pub async fn request_address(db: &Db, request: AddressRequest) -> Result<(), DbError> {
    db.transaction(|txn| {
        let (db, request) = (db.clone(), request.clone());
        Box::pin(async move {
            let sql = "SELECT 1 AS found FROM users WHERE email = $1 AND verified_at IS NOT NULL";
            let email = request.challenge.email.as_str();
            let taken = txn
                .query_one_raw(db.statement(sql, [email.into()]))
                .await?
                .is_some();
            let user = (!taken).then_some(request.user);
            challenges::replace_in(&db, txn, user, &request.challenge).await?;
            let mail = if taken { &request.known } else { &request.confirm };
            mail_in(&db, txn, Some(request.user), mail).await?;
            let entry = request.origin.did(Action::EmailChange).user(request.user);
            let entry = entry.detail(json!({"step": "asked"}));
            audit::record_in(&db, txn, &entry).await
        })
    })
    .await
}

/// Changes what a user wants to be called, and their language; what is none stays.
///
/// # Errors
/// Where the database fails.
pub async fn update_profile(
    db: &Db,
    user: UserId,
    display_name: Option<&str>,
    locale: Option<&str>,
    origin: &Origin,
) -> Result<(), DbError> {
    let values = vec![user.0.into(), display_name.into(), locale.into()];
    db.transaction(|txn| {
        let (db, values, origin) = (db.clone(), values.clone(), origin.clone());
        Box::pin(async move {
            let sql =
                "UPDATE users SET display_name = coalesce($2, display_name), locale = coalesce($3, locale)
                WHERE id = $1";
            txn.execute_raw(db.statement(sql, values)).await?;
            audit::record_in(&db, txn, &origin.did(Action::ProfileChange).user(user)).await
        })
    })
    .await
}
