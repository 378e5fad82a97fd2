//! Places where a test makes the process die or wait. In a build for people there are none: crate `fail`
//! leaves nothing of them unless its feature `failpoints` is on, which only test builds ask for.
//!
//! The environment says what happens where, as crate `fail` reads it:
//! `FAILPOINTS='submit.after_commit=1%return(abort);claim.after_update=return(wait 500)'`.
//! - `return(abort)` ends the process at once, as `kill -9` would;
//! - `return(wait 500)` waits that many milliseconds, and the rest of the process goes on;
//! - `sleep(500)` holds up the thread, and with it whatever else runs on it;
//! - `off`, `pause`, `panic`, `print`, a probability (`1%`) and a count (`3*`) are crate `fail`'s.

use std::time::Duration;

/// Reads the environment; once, at the start of the process.
pub fn init() {
    if fail::has_failpoints() {
        // Dropping it would forget what the environment said.
        std::mem::forget(fail::FailScenario::setup());
    }
}

/// A place with this name.
pub async fn point(name: &str) {
    if let Some(wait) = asked(name) {
        tokio::time::sleep(wait).await;
    }
}

/// A time that tests may change (`return(wait MILLISECONDS)`), who can't wait as long as people must.
#[must_use]
pub fn time(name: &str, usual: Duration) -> Duration {
    asked(name).unwrap_or(usual)
}

/// What the environment asks for at this place: a wait. What it asks for otherwise has happened by now.
fn asked(name: &str) -> Option<Duration> {
    fail::fail_point!(name, |action: Option<String>| {
        let action = action.unwrap_or_default();
        if action == "abort" {
            tracing::warn!(name, "a fault point ends this process");
            std::process::abort();
        }
        let wait = action.strip_prefix("wait ").and_then(|ms| ms.trim().parse().ok());
        Some(Duration::from_millis(wait.unwrap_or_else(|| {
            panic!("fault point {name}: {action:?} is neither `abort` nor `wait MILLISECONDS`")
        })))
    });
    let _ = name;
    None
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_point_waits_where_it_is_asked_to_and_is_nothing_otherwise() {
        assert!(fail::has_failpoints(), "test builds have fault points");
        fail::cfg("fault.test", "1*return(wait 50)").expect("an action");
        let before = Instant::now();
        point("fault.test").await;
        assert!(before.elapsed() >= Duration::from_millis(50));
        // Only once, and nowhere else.
        assert_eq!(asked("fault.test"), None);
        assert_eq!(asked("fault.other"), None);
        fail::cfg("fault.time", "return(wait 7)").expect("an action");
        let usual = Duration::from_secs(30);
        assert_eq!(time("fault.time", usual), Duration::from_millis(7));
        assert_eq!(time("fault.other", usual), usual);
    }
}
