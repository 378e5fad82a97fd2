//! R1: workers and runners are killed under load. Nothing is lost, nothing ends twice, and what was in hand
//! runs again soon.

use std::time::{Duration, Instant};

use lamplighter_testkit::{postgres::Sql, scenario::sized};
use rand::RngExt;
use tokio::{task::JoinHandle, time::sleep};

use crate::support::Trial;

/// The lease of every run is shorter than the default, so that the scenario is.
const LEASE: f64 = 4.0;
/// A killed worker is started again after this.
const AWAY: Duration = Duration::from_secs(1);
/// A runner's exit is seen by its supervisor: 1.5 s, five times.
const AFTER_RUNNER: Duration = Duration::from_millis(7_500);
/// What a worker can have in hand: one batch that runs and one that is made ready.
const IN_HAND: i64 = 64;

/// A kill, and how long what was in hand waited for its next run.
struct Kill {
    worker: usize,
    of_supervisor: bool,
    at: Instant,
    held: usize,
    /// When the first of it, and when all of it ran again.
    again: JoinHandle<[Duration; 2]>,
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_nothing_is_lost_when_workers_and_runners_are_killed() {
    let lease = sized(LEASE, 10.0);
    let mut trial = Trial::begin("R1 kill storm", |builder| {
        builder
            .workers(sized(2, 4))
            .env("LAMPLIGHTER_JOBS__LEASE_SECONDS", lease.to_string())
            .env("LAMPLIGHTER_JOBS__HEARTBEAT_SECONDS", (lease * 0.3).to_string())
            .env(
                "LAMPLIGHTER_JOBS__REAP_CONFIRM_SECONDS",
                (lease * 0.4).to_string(),
            )
    })
    .await;
    let (jobs, rate, count) = sized((1_000, 200.0, 10), (10_000, 300.0, 50));
    let load = trial.echo_load(jobs, rate);
    let mut random = trial.scenario.random();
    let mut kills = Vec::new();
    let mut away: Vec<(usize, Instant)> = Vec::new();
    while kills.len() < count {
        sleep(Duration::from_millis(random.random_range(100..400))).await;
        start_again(&mut trial, &mut away, AWAY).await;
        let worker = random.random_range(0..trial.fleet.workers.len());
        if trial.fleet.workers[worker].is_running() {
            let of_supervisor = kills.len().is_multiple_of(2);
            kills.push(kill(&mut trial, worker, of_supervisor).await);
            if of_supervisor {
                away.push((worker, Instant::now()));
            }
        }
    }
    start_again(&mut trial, &mut away, Duration::ZERO).await;
    load.await.expect("the load ends well");
    let after_supervisor = Duration::from_secs_f64(lease + 6.0);
    // [after a runner's end, after a supervisor's]: [the first of what was in hand, all of it].
    let mut longest = [[Duration::ZERO; 2]; 2];
    let times: Vec<(usize, bool, Instant)> =
        kills.iter().map(|k| (k.worker, k.of_supervisor, k.at)).collect();
    let held: usize = kills.iter().map(|kill| kill.held).sum();
    for kill in kills {
        let took = kill.again.await.expect("the database answers");
        // A supervisor that was killed too could not see its runner's end.
        let later = |(worker, of_supervisor, at): &(usize, bool, Instant)| {
            *worker == kill.worker && *of_supervisor && *at > kill.at && *at < kill.at + took[1]
        };
        let of_supervisor = kill.of_supervisor || times.iter().any(later);
        for (longest, took) in longest[usize::from(of_supervisor)].iter_mut().zip(took) {
            *longest = took.max(*longest);
        }
    }
    let verdict = trial.settle(Duration::from_secs(60)).await;
    trial.scenario.report(&format_args!(
        "{verdict} kills={count} held_at_kills={held} again_after_runner={:?} again_after_supervisor={:?}",
        longest[0], longest[1]
    ));
    verdict.assert_clean();
    assert_eq!((verdict.acknowledged, verdict.count("succeeded")), (jobs, jobs));
    assert!(longest[0][1] <= AFTER_RUNNER, "{longest:?}");
    assert!(longest[1][1] <= after_supervisor, "{longest:?}");
    assert!(
        verdict.extra() <= count as i64 * IN_HAND,
        "{} runs too many",
        verdict.extra()
    );
}

/// Starts the workers again that have been away for so long.
async fn start_again(trial: &mut Trial, away: &mut Vec<(usize, Instant)>, long: Duration) {
    for (worker, _) in away.extract_if(.., |(_, since)| since.elapsed() >= long) {
        trial.fleet.workers[worker].spawn().await;
    }
}

/// Kills a worker, or only its runner.
async fn kill(trial: &mut Trial, worker: usize, supervisor: bool) -> Kill {
    let sql = trial.fleet.sql();
    let node = &mut trial.fleet.workers[worker];
    let name = node.name().to_owned();
    let what = if supervisor { "worker" } else { "runner" };
    trial.history.fault(format!("kill {what} of {name}"));
    // A dead worker's jobs can be counted in peace; a living one goes on.
    let before = if supervisor {
        Vec::new()
    } else {
        in_hand(&sql, &name).await
    };
    let at = Instant::now();
    let held = if supervisor {
        node.kill9();
        in_hand(&sql, &name).await
    } else {
        // One that is still starting has no runner, and nothing in hand.
        if node.kill_runners() > 0 {
            before
        } else {
            Vec::new()
        }
    };
    let count = held.len();
    let again = tokio::spawn(async move { until_again(&sql, held, at).await });
    Kill {
        worker,
        of_supervisor: supervisor,
        at,
        held: count,
        again,
    }
}

/// The jobs that the newest worker of this name has, and their epochs, as SQL pairs.
async fn in_hand(sql: &Sql, worker: &str) -> Vec<String> {
    let text = format!(
        "SELECT id, epoch FROM jobs WHERE state = 'processing' AND boot =
        (SELECT boot FROM workers WHERE name = '{worker}' ORDER BY started_at DESC LIMIT 1)"
    );
    let pair = |row: Vec<Option<String>>| {
        let text = |n: usize| row[n].clone().unwrap_or_default();
        format!("('{}'::uuid, {})", text(0), text(1))
    };
    sql.query(&text).await.into_iter().map(pair).collect()
}

/// Waits until each of these runs again or has ended: how long after `at` the first did, and the last.
async fn until_again(sql: &Sql, held: Vec<String>, at: Instant) -> [Duration; 2] {
    let (mut open, mut first) = (held.len(), Duration::ZERO);
    let text = format!(
        "SELECT count(*) FROM jobs JOIN (VALUES {}) AS held (id, epoch) USING (id, epoch)
        WHERE state IN ('queued', 'processing')",
        held.join(",")
    );
    while open > 0 {
        open = usize::try_from(sql.number(&text).await).expect("a count");
        if open < held.len() && first.is_zero() {
            first = at.elapsed();
        }
        sleep(Duration::from_millis(25)).await;
    }
    [
        first,
        if held.is_empty() {
            Duration::ZERO
        } else {
            at.elapsed()
        },
    ]
}
