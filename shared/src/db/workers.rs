//! The table `workers`: who serves which models. A worker that has not been seen for a while is not there.

use std::collections::HashMap;

use sea_orm::{
    EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Db, DbError,
    entity::workers::{Column, Entity},
};

/// A worker counts as live for so long after it was last seen, milliseconds: five heartbeats.
const LIVE_MS: i64 = 15_000;

/// What a worker says of itself at every heartbeat.
#[derive(Debug, Clone)]
pub struct Report {
    /// This start of the worker.
    pub boot: Uuid,
    /// Its name.
    pub name: String,
    /// The machine.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// Its models, by id.
    pub models: HashMap<String, WorkerModel>,
}

/// A model on one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerModel {
    /// How far it is.
    pub status: ModelStatus,
    /// More about it, for people (`"42 % of model.safetensors"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// SHA-256 of its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// How far a model is. Ordered: a later one serves better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelStatus {
    /// It can't be served; the detail says why.
    Failed,
    /// Its files are being fetched.
    Fetching,
    /// It is being loaded.
    Loading,
    /// It serves.
    Ready,
}

impl ModelStatus {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Fetching => "fetching",
            Self::Loading => "loading",
            Self::Ready => "ready",
        }
    }
}

/// A model over all live workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelState {
    /// The best there is: `failed`, `fetching`, `loading` or `ready`.
    pub status: &'static str,
    /// More about it, for people.
    pub detail: Option<String>,
    /// SHA-256 of the weights.
    pub digest: Option<String>,
    /// Live workers that have it, failed ones not counted.
    pub workers: u32,
}

/// Stores the report; the worker is seen now.
///
/// # Errors
/// Where the database fails.
pub async fn report(db: &Db, report: &Report) -> Result<(), DbError> {
    let models = serde_json::to_string(&report.models).map_err(|e| DbError::Statement(e.to_string()))?;
    db.execute(
        "INSERT INTO workers (boot, name, host, version, models, started_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, {now}, {now})
         ON CONFLICT (boot) DO UPDATE SET models = excluded.models, last_seen_at = excluded.last_seen_at",
        vec![
            report.boot.into(),
            report.name.as_str().into(),
            report.host.as_str().into(),
            report.version.as_str().into(),
            models.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Takes the worker off the list.
///
/// # Errors
/// Where the database fails.
pub async fn remove(db: &Db, boot: Uuid) -> Result<(), DbError> {
    db.execute("DELETE FROM workers WHERE boot = $1", vec![boot.into()])
        .await?;
    Ok(())
}

/// Takes every worker off the list that has not been seen for an hour.
///
/// # Errors
/// Where the database fails.
pub async fn forget_lost(db: &Db) -> Result<u64, DbError> {
    db.execute("DELETE FROM workers WHERE last_seen_at < {now} - 3600000", vec![])
        .await
}

/// Every model that a live worker has, by id. A model that is not here is offline.
///
/// # Errors
/// Where the database fails.
pub async fn model_states(db: &Db) -> Result<HashMap<String, ModelState>, DbError> {
    let since = Expr::cust(db.sql(&format!("{{now}} - {LIVE_MS}")));
    let live = Entity::find()
        .filter(ExprTrait::gt(Expr::col((Entity, Column::LastSeenAt)), since))
        .all(&db.read)
        .await?;
    let mut best = HashMap::<String, (WorkerModel, u32)>::new();
    for worker in live {
        let models: HashMap<String, WorkerModel> = serde_json::from_str(&worker.models)
            .map_err(|e| DbError::Statement(format!("models of a worker: {e}")))?;
        for (id, model) in models {
            let serves = u32::from(model.status != ModelStatus::Failed);
            let entry = best.entry(id).or_insert_with(|| (model.clone(), 0));
            entry.1 += serves;
            if model.status > entry.0.status {
                entry.0 = model;
            }
        }
    }
    Ok(best
        .into_iter()
        .map(|(id, (model, workers))| {
            let state = ModelState {
                status: model.status.as_str(),
                detail: model.detail,
                digest: model.digest,
                workers,
            };
            (id, state)
        })
        .collect())
}
