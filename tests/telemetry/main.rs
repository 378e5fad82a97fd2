//! What the processes of a fleet tell of themselves: counts, health, traces.

mod counts;
mod health;
mod prometheus;
mod told;
mod trace;

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// The binary under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");
/// Longest anything may take that is not itself measured.
const LIMIT: Duration = Duration::from_secs(15);

/// Asks again and again until the answer is something.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(answer) = ask().await {
            return answer;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("not within {LIMIT:?}: {what}");
}
