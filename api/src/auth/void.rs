//! Ends what the cache says of tokens and sessions, after the change that ends them was committed.
//!
//! Whoever revokes, logs out, demotes or disables commits first, then calls [`void`], then answers: from the
//! answer on nobody takes what was ended. Where the cache does not answer, a task repeats it until it does;
//! meanwhile processes that can't reach it ask the database, and one that still does trusts it for 30 s more.
//! The same 30 s bound what a process leaves behind that dies between the commit and the call: nothing was
//! answered then.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{
    cache::{Cache, Unavailable},
    db::{
        Db, DbError, Dialect,
        tasks::{self, NewTask, TaskKind},
    },
    fault,
};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long an ended proof is kept void in the cache. Longer than any lease and any value lives.
const TOMBSTONE: Duration = Duration::from_secs(60);
/// How long the cache is tried to be told.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks for tasks.
const LOOK: Duration = Duration::from_secs(2);
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
        let deadline = Instant::now() + PATIENCE;
        let Some(left) = bury_until(&*cache, keys, deadline).await else {
            return Ok(Voided::Now);
        };
        for keys in left.chunks(IN_ONE) {
            tasks::enqueue(&db, &task(keys)?).await?;
        }
        Ok(Voided::Soon)
    });
    done.await
        .unwrap_or_else(|e| Err(DbError::Statement(format!("voiding did not end: {e}"))))
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
    for (id, payload) in tasks::open(db, TaskKind::Bury, AT_ONCE).await? {
        let keys: Vec<String> = serde_json::from_str(&payload).unwrap_or_default();
        if let Err(error) = bury_all(cache, &keys).await {
            tracing::debug!(%error, "the cache still can't be told of an end");
            return Ok(());
        }
        tasks::remove(db, id).await?;
    }
    Ok(())
}

async fn bury_all(cache: &dyn Cache, keys: &[String]) -> Result<(), Unavailable> {
    for key in keys {
        cache.bury(key, TOMBSTONE).await?;
    }
    Ok(())
}
