//! The API processes that live, as each of them counts them: what they may let through together is divided by
//! their number where they can't count together.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::db::{Dialect, nodes};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::state::App;

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(5);

/// Gives signs of life and counts those of others, until the process stops.
pub(crate) async fn beat(app: Arc<App>) {
    if app.db.dialect() == Dialect::Sqlite {
        // There is one process.
        return;
    }
    let boot = Uuid::now_v7();
    loop {
        match nodes::beat(&app.db, boot).await {
            Ok(live) => app.request_rate.counted(live),
            // Those that were there are taken to be there still.
            Err(error) => tracing::debug!(%error, "the API processes were not counted"),
        }
        tokio::select! {
            () = sleep(BEAT) => {}
            () = app.stop.cancelled() => break,
        }
    }
    // Worth a moment, no more: who does not say so is missed soon.
    let _ = timeout(Duration::from_secs(1), nodes::leave(&app.db, boot)).await;
}
