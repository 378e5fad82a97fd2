//! Answers that leave at even times. What names an address takes the same statements whether it has an account
//! or not; but a row that is stored takes some 80 µs more than one that is not, and who asks often enough could
//! see that. So such work ends only at a multiple of [`STEP`] after it began.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Longer than the work usually takes, and shorter than a person notices.
const STEP: Duration = Duration::from_millis(50);

/// Does the work, and gives its result at the next even time.
pub(super) async fn evenly<T>(work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    sleep_until(began + next(began.elapsed())).await;
    done
}

/// The next even time.
fn next(elapsed: Duration) -> Duration {
    let steps = elapsed.as_millis() / STEP.as_millis() + 1;
    STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_about_as_long_ends_at_the_same_time() {
        for (work, ends) in [
            (0, 50),
            (1, 50),
            (49, 50),
            (50, 100),
            (51, 100),
            (99, 100),
            (420, 450),
        ] {
            assert_eq!(
                next(Duration::from_millis(work)),
                Duration::from_millis(ends),
                "{work} ms of work"
            );
        }
    }
}
