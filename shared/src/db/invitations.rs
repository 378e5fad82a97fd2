//! The table `invitations`: who may register where not everybody may, and as what.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::json;
use uuid::Uuid;

use super::{
    Db, DbError,
    audit::{self, Action, Origin},
    connection::Txn,
    tasks::{self, NewTask},
    users::Role,
};
use crate::{
    clock::UnixMillis,
    id::{InvitationId, UserId},
};

/// An invitation to be stored.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Its identifier.
    pub id: InvitationId,
    /// SHA-256 of its secret.
    pub fingerprint: [u8; 32],
    /// The only address it is good for; none: any.
    pub email: Option<String>,
    /// What who comes may do.
    pub role: Role,
    /// Their plan.
    pub plan: String,
    /// Who invites.
    pub created_by: UserId,
    /// How long it is good.
    pub lifetime: Duration,
    /// The mail that brings it.
    pub mail: Option<NewTask>,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its identifier.
    pub id: InvitationId,
    /// The only address it is good for; none: any.
    pub email: Option<String>,
    /// What who comes may do.
    pub role: Role,
    /// Their plan.
    pub plan: String,
    /// Who invited.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was used.
    pub used_at: Option<UnixMillis>,
    /// Who came by it.
    pub used_by: Option<UserId>,
    /// When it was taken back.
    pub revoked_at: Option<UnixMillis>,
}

const COLUMNS: &str =
    "id, email, role, plan, created_by, created_at, expires_at, used_at, used_by, revoked_at";

/// Stores an invitation and the mail that brings it.
///
/// # Errors
/// Where the database fails.
pub async fn create(db: &Db, new: &NewInvitation, origin: &Origin) -> Result<Invitation, DbError> {
    let sql = format!(
        "INSERT INTO invitations (id, fingerprint, email, role, plan, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, {{now}}, {{now}} + $7) RETURNING {COLUMNS}"
    );
    db.transaction(|txn| {
        let (db, new, origin, sql) = (db.clone(), new.clone(), origin.clone(), sql.clone());
        Box::pin(async move {
            let values = [
                new.id.0.into(),
                new.fingerprint.to_vec().into(),
                new.email.clone().into(),
                new.role.as_str().into(),
                new.plan.as_str().into(),
                new.created_by.0.into(),
                i64::try_from(new.lifetime.as_millis())
                    .unwrap_or(i64::MAX / 2)
                    .into(),
            ];
            let row = txn.query_one_raw(db.statement(&sql, values)).await?;
            let row = row.ok_or_else(|| super::jobs::custom("an invitation did not come back"))?;
            if let Some(mail) = &new.mail {
                tasks::enqueue_in(&db, txn, mail).await?;
            }
            let detail = json!({
                "role": new.role.as_str(), "plan": new.plan, "for_one_address": new.email.is_some(),
            });
            let entry = origin.did(Action::InvitationCreate).subject(new.id);
            let entry = entry.detail(detail);
            audit::record_in(&db, txn, &entry).await?;
            read(&row).map_err(super::jobs::custom)
        })
    })
    .await
}

/// The invitations, newest first: older than `before`, at most so many.
///
/// # Errors
/// Where the database fails.
pub async fn list(db: &Db, before: Option<InvitationId>, limit: u64) -> Result<Vec<Invitation>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM invitations WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let before = before.map_or(Uuid::max(), |id| id.0);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = db.query_all(&sql, vec![before.into(), limit.into()]).await?;
    rows.iter().map(read).collect()
}

/// Takes an invitation back; whether it is there. One that was used stays used.
///
/// # Errors
/// Where the database fails.
pub async fn revoke(db: &Db, id: InvitationId, origin: &Origin) -> Result<bool, DbError> {
    db.transaction(|txn| {
        let (db, origin) = (db.clone(), origin.clone());
        Box::pin(async move {
            let sql = "UPDATE invitations SET revoked_at = coalesce(revoked_at, {now}) WHERE id = $1";
            let rows = txn.execute_raw(db.statement(sql, [id.0.into()])).await?;
            if rows.rows_affected() == 0 {
                return Ok(false);
            }
            let entry = origin.did(Action::InvitationRevoke).subject(id);
            audit::record_in(&db, txn, &entry).await?;
            Ok(true)
        })
    })
    .await
}

/// The invitation with this secret, locked, if somebody with this address may come by it now.
pub(super) async fn live_in(
    db: &Db,
    txn: &Txn,
    fingerprint: &[u8; 32],
    email: &str,
) -> Result<Option<Invitation>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM invitations WHERE fingerprint = $1 AND coalesce(email, $2) = $2
           AND used_at IS NULL AND revoked_at IS NULL AND expires_at > {{now}} {{for_update}}"
    );
    let values = [fingerprint.to_vec().into(), email.into()];
    let row = txn.query_one_raw(db.statement(&sql, values)).await?;
    row.map(|row| read(&row).map_err(super::jobs::custom)).transpose()
}

/// Uses an invitation up, and notes who came by it; nobody, where they had an account already.
pub(super) async fn use_in(db: &Db, txn: &Txn, id: InvitationId, user: Option<UserId>) -> Result<(), DbErr> {
    let sql = "UPDATE invitations SET used_at = {now}, used_by = $2 WHERE id = $1";
    let values = [id.0.into(), user.map(|user| user.0).into()];
    txn.execute_raw(db.statement(sql, values)).await?;
    Ok(())
}

fn read(row: &QueryResult) -> Result<Invitation, DbError> {
    let user = |column| -> Result<Option<UserId>, DbError> {
        Ok(row.try_get::<Option<Uuid>>("", column)?.map(UserId))
    };
    Ok(Invitation {
        id: InvitationId(row.try_get("", "id")?),
        email: row.try_get("", "email")?,
        role: Role::parse(&row.try_get::<String>("", "role")?)?,
        plan: row.try_get("", "plan")?,
        created_by: user("created_by")?,
        created_at: row.try_get("", "created_at")?,
        expires_at: row.try_get("", "expires_at")?,
        used_at: row.try_get("", "used_at")?,
        used_by: user("used_by")?,
        revoked_at: row.try_get("", "revoked_at")?,
    })
}
