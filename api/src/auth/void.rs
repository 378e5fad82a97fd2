//! Ends what the cache says of tokens and sessions, after the change that ends them was committed.
//!
//! Whoever revokes, logs out, demotes or disables commits first, then calls [`void`], then answers: from the
//! answer on nobody takes what was ended. Where the cache does not answer, a task repeats it until it does:
//! processes that can't reach the cache ask the database, and one that still does has the task done before we
//! answer. Only one that reaches the cache and not the database may trust it for 30 s more. The same 30 s bound
//! what a process leaves behind that dies between the commit and the call: nothing was answered then.

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use lamplighter_shared::{
    cache::Cache,
    db::{
        Db, DbError, Dialect,
        tasks::{self, NewTask, TaskKind},
    },
    fault,
    id::TaskId,
};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long an ended proof is kept void in the cache. Longer than any lease and any value lives.
const TOMBSTONE: Duration = Duration::from_secs(60);
/// How long we try alone to tell the cache …
const ALONE: Duration = Duration::from_millis(500);
/// … and how long in all, with everybody.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether somebody else has told it.
const ANYBODY: Duration = Duration::from_millis(250);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks for tasks: well within [`PATIENCE`].
const LOOK: Duration = Duration::from_millis(500);
/// Tasks at one look.
const AT_ONCE: u64 = 100;
/// Keys in one task: a task is told whole or not at all.
const IN_ONE: usize = 100;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voided {
    /// From now on nobody takes what was ended.
    Now,
    /// The cache could not be told: who still reaches it may take what was ended for another 30 s. A task
    /// repeats it.
    Soon,
}

/// Voids these keys of the cache (see `proof` and `db::users::proofs_of`). Goes on where its caller is
/// dropped, as a handler is whose client has left.
///
/// # Errors
/// Where the cache does not answer, and the database takes no task.
pub async fn void(db: &Db, cache: &Arc<dyn Cache>, keys: Vec<String>) -> Result<Voided, DbError> {
    fault::point("revoke.after_commit").await;
    if db.dialect() == Dialect::Sqlite || keys.is_empty() {
        // Nobody looks into the cache there.
        return Ok(Voided::Now);
    }
    let (db, cache) = (db.clone(), cache.clone());
    let done = tokio::spawn(async move {
        let began = Instant::now();
        let Some(left) = bury_until(&*cache, keys, began + ALONE).await else {
            return Ok(Voided::Now);
        };
        let mut ids = Vec::new();
        for keys in left.chunks(IN_ONE) {
            ids.push(tasks::enqueue(&db, &task(keys)?).await?);
        }
        Ok(by_anybody(&db, &*cache, (left, ids), began + PATIENCE).await)
    });
    done.await
        .unwrap_or_else(|e| Err(DbError::Statement(format!("voiding did not end: {e}"))))
}

/// Goes on trying, and looks whether another process has done the tasks meanwhile.
async fn by_anybody(
    db: &Db,
    cache: &dyn Cache,
    (mut keys, mut open): (Vec<String>, Vec<TaskId>),
    deadline: Instant,
) -> Voided {
    while Instant::now() < deadline {
        let until = deadline.min(Instant::now() + ANYBODY);
        let Some(left) = bury_until(cache, keys, until).await else {
            // Best effort: a task that is done twice does no harm.
            let _ = tasks::remove(db, &open).await;
            return Voided::Now;
        };
        keys = left;
        while let Some(id) = open.last() {
            if !matches!(tasks::is_there(db, *id).await, Ok(false)) {
                break;
            }
            open.pop();
        }
        if open.is_empty() {
            return Voided::Now;
        }
    }
    Voided::Soon
}

/// What could not be buried in time, if anything.
async fn bury_until(cache: &dyn Cache, mut keys: Vec<String>, deadline: Instant) -> Option<Vec<String>> {
    while let Some(key) = keys.last() {
        match timeout_at(deadline, cache.bury(key, TOMBSTONE)).await {
            Ok(Ok(())) => drop(keys.pop()),
            Ok(Err(error)) if Instant::now() < deadline => {
                tracing::debug!(%error, "the cache was not told of an end; trying again");
                sleep(PAUSE).await;
            }
            Ok(Err(_)) | Err(_) => return Some(keys),
        }
    }
    None
}

fn task(keys: &[String]) -> Result<NewTask, DbError> {
    Ok(NewTask {
        kind: TaskKind::Bury,
        user: None,
        recipient: None,
        payload: serde_json::to_string(keys).map_err(|e| DbError::Statement(e.to_string()))?,
    })
}

/// Repeats what the cache could not be told, until the process stops. Every process does it: to tell it twice
/// does no harm.
pub async fn repeat(db: Db, cache: Arc<dyn Cache>, stop: CancellationToken) {
    if db.dialect() == Dialect::Sqlite || !cache.is_shared() {
        return;
    }
    while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
        if let Err(error) = round(&db, &*cache).await {
            tracing::debug!(%error, "tasks for the cache were not looked for");
        }
    }
}

async fn round(db: &Db, cache: &dyn Cache) -> Result<(), DbError> {
    // All at once: whoever waits for them to be done has only so much patience.
    let (ids, keys): (Vec<TaskId>, Vec<Vec<String>>) = tasks::open(db, TaskKind::Bury, AT_ONCE)
        .await?
        .into_iter()
        .map(|(id, payload)| (id, serde_json::from_str(&payload).unwrap_or_default()))
        .unzip();
    let buried = keys.iter().flatten().map(|key| cache.bury(key, TOMBSTONE));
    if let Err(error) = try_join_all(buried).await {
        tracing::debug!(%error, "the cache still can't be told of all ends");
        return Ok(());
    }
    tasks::remove(db, &ids).await
}
