//! The table `disabled_models`: what an admin has switched off. A model is served unless it stands here.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use super::{
    Db, DbError,
    audit::{self, Action, Origin},
};

/// The models that are switched off, by name.
///
/// # Errors
/// Where the database fails.
pub async fn all(db: &Db) -> Result<BTreeSet<String>, DbError> {
    let rows = db.query_all("SELECT model FROM disabled_models", vec![]).await?;
    let names = rows.iter().map(|row| row.try_get::<String>("", "model"));
    Ok(names.collect::<Result<_, _>>()?)
}

/// Switches a model on or off; in the log stands what was asked, also where it was so already.
///
/// # Errors
/// Where the database fails.
pub async fn set(db: &Db, model: &str, enabled: bool, origin: &Origin) -> Result<(), DbError> {
    const OFF: &str = "INSERT INTO disabled_models (model, disabled_at) VALUES ($1, {now})
        ON CONFLICT (model) DO NOTHING";
    const ON: &str = "DELETE FROM disabled_models WHERE model = $1";
    let (sql, action) = if enabled {
        (ON, Action::ModelEnable)
    } else {
        (OFF, Action::ModelDisable)
    };
    let statement = db.statement(sql, [model.into()]);
    let entry = origin.did(action).subject(model);
    db.transaction(move |txn| {
        let (db, statement, entry) = (db.clone(), statement.clone(), entry.clone());
        Box::pin(async move {
            txn.execute_raw(statement).await?;
            audit::record_in(&db, txn, &entry).await
        })
    })
    .await
}
