//! The tables `workers` and `worker_orders`: who serves which models, and what admins ask of them. A
//! worker that has not been seen for a while is lost; one that signed off is not there.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, FromQueryResult, IdenStatic, Iterable, QueryResult};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    Db, DbError,
    audit::{self, Action, Origin},
    disabled_models,
    entity::workers::{Column, Model},
};
use crate::{clock::UnixMillis, id::WorkerId};

/// A worker counts as live for so long after it was last seen, milliseconds: five heartbeats.
const LIVE_MS: i64 = 15_000;
/// A lost worker stays on the list for so long, milliseconds.
const LOST_MS: i64 = 3_600_000;
/// An order for a name that nobody bears is kept for so long, milliseconds.
const ORDER_MS: i64 = 30 * 86_400_000;

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
    /// What it computes on: `cpu`, `cuda:0`.
    pub device: String,
    /// Memory that its models may take, bytes.
    pub memory_bytes: u64,
    /// Memory that the loaded ones take, bytes.
    pub memory_used_bytes: u64,
    /// Jobs in hand.
    pub in_flight: u32,
    /// How far it is with its order.
    pub phase: Phase,
    /// Its models, by id.
    pub models: HashMap<String, WorkerModel>,
}

/// How far a worker is with what is asked of it, as it says itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// It claims jobs.
    #[default]
    Active,
    /// It claims none, and has some in hand.
    Draining,
    /// It has no job.
    Drained,
    /// It has no job and no runner.
    Maintenance,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Maintenance => "maintenance",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "draining" => Self::Draining,
            "drained" => Self::Drained,
            "maintenance" => Self::Maintenance,
            // Also what a newer version may say: it is there, and that is all we know.
            _ => Self::Active,
        }
    }
}

/// What an admin asks of a worker. It holds for its name, over restarts, until it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Claim nothing, finish what is in hand.
    Drain,
    /// The same, then end the runners: the device is free.
    Maintenance,
}

impl Order {
    fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Maintenance => "maintenance",
        }
    }

    fn parse(text: &str) -> Result<Self, DbError> {
        match text {
            "drain" => Ok(Self::Drain),
            "maintenance" => Ok(Self::Maintenance),
            other => Err(DbError::Statement(format!("unknown order {other:?}"))),
        }
    }
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
    /// Bytes that are kept for it while it is in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// How far a model is. Ordered: a later one serves better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelStatus {
    /// It can't be served; the detail says why.
    Failed,
    /// Its files are being fetched.
    Fetching,
    /// Its files are here; it is loaded when a job waits for it.
    Unloaded,
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
            Self::Unloaded => "unloaded",
            Self::Loading => "loading",
            Self::Ready => "ready",
        }
    }
}

/// A model over all live workers that take jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelState {
    /// The best there is: `failed`, `fetching`, `unloaded`, `loading` or `ready`.
    pub status: &'static str,
    /// More about it, for people.
    pub detail: Option<String>,
    /// SHA-256 of the weights.
    pub digest: Option<String>,
    /// Live workers that have it, failed ones not counted.
    pub workers: u32,
}

/// What a worker does, as the fleet sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// It claims jobs.
    Active,
    /// It was asked to drain, and has not finished yet (or not heard of it).
    Draining,
    /// It has no work left, and claims none.
    Drained,
    /// It is drained, and its runners have ended.
    Maintenance,
    /// It was not seen for 15 s.
    Lost,
}

/// A worker of the fleet.
#[derive(Debug, Clone)]
pub struct Worker {
    /// This start of it.
    pub id: WorkerId,
    /// Its name, for people and orders.
    pub name: String,
    /// The machine.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// What it does.
    pub state: WorkerState,
    /// What it computes on.
    pub device: String,
    /// Memory that its models may take, bytes.
    pub memory_bytes: u64,
    /// Memory that the loaded ones take, bytes.
    pub memory_used_bytes: u64,
    /// Jobs in hand.
    pub in_flight: u32,
    /// Its models, by id.
    pub models: HashMap<String, WorkerModel>,
    /// When it started.
    pub started_at: UnixMillis,
    /// When it was last seen.
    pub last_seen_at: UnixMillis,
}

const REPORT: &str = "
    INSERT INTO workers (boot, name, host, version, models, device, memory_bytes, memory_used_bytes, in_flight, phase,
        started_at, last_seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, {now}, {now})
    ON CONFLICT (boot) DO UPDATE SET models = excluded.models, device = excluded.device,
        memory_bytes = excluded.memory_bytes, memory_used_bytes = excluded.memory_used_bytes,
        in_flight = excluded.in_flight, phase = excluded.phase, last_seen_at = excluded.last_seen_at
    RETURNING (SELECT wanted FROM worker_orders WHERE worker_orders.name = workers.name) AS wanted";

/// Stores the report; the worker is seen now. Returns what is asked of it.
///
/// # Errors
/// Where the database fails.
pub async fn report(db: &Db, report: &Report) -> Result<Option<Order>, DbError> {
    let models = serde_json::to_string(&report.models).map_err(|e| DbError::Statement(e.to_string()))?;
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let values: Vec<sea_orm::Value> = vec![
        report.boot.into(),
        report.name.as_str().into(),
        report.host.as_str().into(),
        report.version.as_str().into(),
        models.into(),
        report.device.as_str().into(),
        bytes(report.memory_bytes).into(),
        bytes(report.memory_used_bytes).into(),
        i32::try_from(report.in_flight).unwrap_or(i32::MAX).into(),
        report.phase.as_str().into(),
    ];
    let row = db
        .transaction(move |txn| {
            let statement = db.statement(REPORT, values.clone());
            Box::pin(async move { txn.query_one_raw(statement).await })
        })
        .await?;
    let wanted = match row {
        Some(row) => row.try_get::<Option<String>>("", "wanted")?,
        None => None,
    };
    wanted.as_deref().map(Order::parse).transpose()
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

/// Takes every worker off the list: for the start of an installation that has only this process.
///
/// # Errors
/// Where the database fails.
pub async fn remove_all(db: &Db) -> Result<(), DbError> {
    db.execute("DELETE FROM workers", vec![]).await?;
    Ok(())
}

/// Takes every worker off the list that has not been seen for an hour, and orders that nobody has been
/// there to follow for a month.
///
/// # Errors
/// Where the database fails.
pub async fn forget_lost(db: &Db) -> Result<u64, DbError> {
    let orders = format!(
        "DELETE FROM worker_orders WHERE ordered_at < {{now}} - {ORDER_MS}
         AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.name = worker_orders.name)"
    );
    db.execute(&orders, vec![]).await?;
    let sql = format!("DELETE FROM workers WHERE last_seen_at < {{now}} - {LOST_MS}");
    db.execute(&sql, vec![]).await
}

/// Every worker there is, lost ones included, by name.
///
/// # Errors
/// Where the database fails.
pub async fn list(db: &Db) -> Result<Vec<Worker>, DbError> {
    let rows = db.query_all(&select("ORDER BY w.name, w.boot"), vec![]).await?;
    rows.iter().map(worker).collect()
}

/// One worker.
///
/// # Errors
/// Where the database fails.
pub async fn get(db: &Db, id: WorkerId) -> Result<Option<Worker>, DbError> {
    let row = db
        .query_one(&select("WHERE w.boot = $1"), vec![id.0.into()])
        .await?;
    row.as_ref().map(worker).transpose()
}

/// Asks something of a worker (of everyone of its name), or takes that back with `None`. The worker, as
/// it is now; nothing where there is none.
///
/// # Errors
/// Where the database fails.
pub async fn order(
    db: &Db,
    id: WorkerId,
    order: Option<Order>,
    origin: &Origin,
) -> Result<Option<Worker>, DbError> {
    const ASK: &str = "INSERT INTO worker_orders (name, wanted, ordered_at)
        SELECT name, $2, {now} FROM workers WHERE boot = $1
        ON CONFLICT (name) DO UPDATE SET ordered_at = excluded.ordered_at, wanted = excluded.wanted
        WHERE worker_orders.wanted <> excluded.wanted";
    const TAKE_BACK: &str =
        "DELETE FROM worker_orders WHERE name = (SELECT name FROM workers WHERE boot = $1)";
    let Some(worker) = get(db, id).await? else {
        return Ok(None);
    };
    let (sql, values, name) = match order {
        Some(order) => (ASK, vec![id.0.into(), order.as_str().into()], order.as_str()),
        None => (TAKE_BACK, vec![id.0.into()], "resume"),
    };
    let entry = origin
        .did(Action::WorkerOrder)
        .subject(id)
        .detail(json!({"order": name, "name": worker.name}));
    let statement = db.statement(sql, values);
    db.transaction(move |txn| {
        let (db, statement, entry) = (db.clone(), statement.clone(), entry.clone());
        Box::pin(async move {
            txn.execute_raw(statement).await?;
            audit::record_in(&db, txn, &entry).await
        })
    })
    .await?;
    get(db, id).await
}

/// Every model that a live worker has which takes jobs, by id. A model that is not here is offline; so is one
/// that is switched off.
///
/// # Errors
/// Where the database fails.
pub async fn model_states(db: &Db) -> Result<HashMap<String, ModelState>, DbError> {
    let sql = format!(
        "SELECT models FROM workers w WHERE last_seen_at > {{now}} - {LIVE_MS}
         AND NOT EXISTS (SELECT 1 FROM worker_orders o WHERE o.name = w.name)"
    );
    let off = disabled_models::all(db).await?;
    let mut best = HashMap::<String, (WorkerModel, u32)>::new();
    for row in db.query_all(&sql, vec![]).await? {
        let models = read_models(&row.try_get::<String>("", "models")?)?;
        for (id, model) in models.into_iter().filter(|(id, _)| !off.contains(id)) {
            let serves = u32::from(model.status != ModelStatus::Failed);
            let entry = best.entry(id).or_insert_with(|| (model.clone(), 0));
            entry.1 += serves;
            if model.status > entry.0.status {
                entry.0 = model;
            }
        }
    }
    let state = |(id, (model, workers)): (String, (WorkerModel, u32))| {
        let state = ModelState {
            status: model.status.as_str(),
            detail: model.detail,
            digest: model.digest,
            workers,
        };
        (id, state)
    };
    Ok(best.into_iter().map(state).collect())
}

fn select(rest: &str) -> String {
    let columns: Vec<String> = Column::iter().map(|c| format!("w.{}", c.as_str())).collect();
    let columns = columns.join(", ");
    format!(
        "SELECT {columns}, o.wanted, CASE WHEN w.last_seen_at <= {{now}} - {LIVE_MS} THEN 1 ELSE 0 END AS lost
         FROM workers w LEFT JOIN worker_orders o ON o.name = w.name {rest}"
    )
}

fn worker(row: &QueryResult) -> Result<Worker, DbError> {
    let wanted: Option<String> = row.try_get("", "wanted")?;
    let wanted = wanted.as_deref().map(Order::parse).transpose()?;
    let lost = row.try_get::<i32>("", "lost")? != 0;
    let row = Model::from_query_result(row, "")?;
    Ok(Worker {
        id: WorkerId(row.boot),
        state: state(lost, wanted, Phase::parse(&row.phase)),
        models: read_models(&row.models)?,
        name: row.name,
        host: row.host,
        version: row.version,
        device: row.device,
        memory_bytes: row.memory_bytes.max(0).unsigned_abs(),
        memory_used_bytes: row.memory_used_bytes.max(0).unsigned_abs(),
        in_flight: row.in_flight.max(0).unsigned_abs(),
        started_at: row.started_at,
        last_seen_at: row.last_seen_at,
    })
}

/// What is asked and what the worker last said, put together: an order counts at once, its fulfilment
/// only when the worker has told of it.
fn state(lost: bool, wanted: Option<Order>, phase: Phase) -> WorkerState {
    match (wanted, phase) {
        _ if lost => WorkerState::Lost,
        (None, _) => WorkerState::Active,
        (Some(_), Phase::Active | Phase::Draining) => WorkerState::Draining,
        (Some(Order::Maintenance), Phase::Maintenance) => WorkerState::Maintenance,
        (Some(_), Phase::Drained | Phase::Maintenance) => WorkerState::Drained,
    }
}

fn read_models(text: &str) -> Result<HashMap<String, WorkerModel>, DbError> {
    serde_json::from_str(text).map_err(|e| DbError::Statement(format!("models of a worker: {e}")))
}
