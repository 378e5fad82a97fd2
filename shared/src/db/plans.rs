//! The table `plans`: what admins changed of the plans of the settings.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Map, Value};

use super::{Db, DbError, audit, connection::Txn, jobs::custom};
use crate::plan::PlanChanges;

/// The changes, by name of the plan.
///
/// # Errors
/// Where the database fails.
pub async fn changes(db: &Db) -> Result<BTreeMap<String, PlanChanges>, DbError> {
    let rows = db.query_all("SELECT name, changes FROM plans", vec![]).await?;
    let mut all = BTreeMap::new();
    for row in rows {
        let name: String = row.try_get("", "name")?;
        let text: String = row.try_get("", "changes")?;
        match serde_json::from_str(&text) {
            Ok(changes) => {
                all.insert(name, changes);
            }
            // A newer version knows more of plans than this one: its own changes are not for us.
            Err(error) => tracing::warn!(plan = name, %error, "the changes of a plan can't be read"),
        }
    }
    Ok(all)
}

/// Changes a plan: fields with a value are set, fields of null are those of the settings again. Gives what
/// differs from the settings now.
///
/// # Errors
/// Where the database fails, or the fields are none of a plan's.
pub async fn change(
    db: &Db,
    name: &str,
    fields: &Map<String, Value>,
    origin: &audit::Origin,
) -> Result<PlanChanges, DbError> {
    db.transaction(|txn| {
        let (db, name, fields, origin) = (db.clone(), name.to_owned(), fields.clone(), origin.clone());
        Box::pin(async move {
            let mut stored = stored(&db, txn, &name).await?;
            for (field, value) in &fields {
                if value.is_null() {
                    stored.remove(field);
                } else {
                    stored.insert(field.clone(), value.clone());
                }
            }
            let text = Value::Object(stored).to_string();
            let changes: PlanChanges = serde_json::from_str(&text).map_err(custom)?;
            let sql = "INSERT INTO plans (name, changes, changed_at) VALUES ($1, $2, {now})
                ON CONFLICT (name) DO UPDATE SET changes = excluded.changes, changed_at = excluded.changed_at";
            txn.execute_raw(db.statement(sql, [name.as_str().into(), text.into()]))
                .await?;
            let entry = audit::Entry {
                subject: Some(name),
                detail: Some(Value::Object(fields)),
                ..origin.did(audit::Action::PlanChange)
            };
            audit::record_in(&db, txn, &entry).await?;
            Ok(changes)
        })
    })
    .await
}

/// What is stored of a plan, locked.
async fn stored(db: &Db, txn: &Txn, name: &str) -> Result<Map<String, Value>, DbErr> {
    // A row that is not there can't be locked, and of two first changes one would be lost.
    let sql = "INSERT INTO plans (name, changes, changed_at) VALUES ($1, '{}', {now}) ON CONFLICT (name) DO NOTHING";
    txn.execute_raw(db.statement(sql, [name.into()])).await?;
    let sql = "SELECT changes FROM plans WHERE name = $1 {for_update}";
    let row = txn.query_one_raw(db.statement(sql, [name.into()])).await?;
    let text: Option<String> = row.map(|row| row.try_get("", "changes")).transpose()?;
    match text {
        Some(text) => serde_json::from_str(&text).map_err(custom),
        None => Ok(Map::new()),
    }
}
