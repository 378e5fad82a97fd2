//! R1: workers and runners are killed under load. Nothing is lost, nothing ends twice, and what was in hand
//! runs again soon.

use std::time::{Duration, Instant};

use lamplighter_testkit::{postgres::Sql, scenario::sized};
use rand::RngExt;
use tokio::{task::JoinHandle, time::sleep};

use crate::support::Trial;

/// The lease of every run is shorter than the default, so that the scenario is.
const LEASE: f64 = 5.0;
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
    again: JoinHandle<Duration>,
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
    let (jobs, rate, count) = sized((1_000, 150.0, 10), (10_000, 300.0, 50));
    let load = trial.echo_load(jobs, rate);
    let mut random = trial.scenario.random();
    let mut kills = Vec::new();
    for number in 0..count {
        sleep(Duration::from_millis(random.random_range(100..400))).await;
        let worker = random.random_range(0..trial.fleet.workers.len());
        kills.push(kill(&mut trial, worker, number % 2 == 0).await);
    }
    load.await.expect("the load ends well");
    let after_supervisor = Duration::from_secs_f64(lease + 6.0);
    let mut longest = [Duration::ZERO; 2];
    let times: Vec<(usize, bool, Instant)> =
        kills.iter().map(|k| (k.worker, k.of_supervisor, k.at)).collect();
    let held: usize = kills.iter().map(|kill| kill.held).sum();
    for kill in kills {
        let took = kill.again.await.expect("the database answers");
        // A supervisor that was killed too could not see its runner's end.
        let later = |(worker, of_supervisor, at): &(usize, bool, Instant)| {
            *worker == kill.worker && *of_supervisor && *at > kill.at && *at < kill.at + took
        };
        let of_supervisor = kill.of_supervisor || times.iter().any(later);
        let longest = &mut longest[usize::from(of_supervisor)];
        *longest = took.max(*longest);
    }
    let verdict = trial.settle(Duration::from_secs(60)).await;
    trial.scenario.report(&format_args!(
        "{verdict} kills={count} held_at_kills={held} again_after_runner={:?} again_after_supervisor={:?}",
        longest[0], longest[1]
    ));
    verdict.assert_clean();
    assert_eq!((verdict.acknowledged, verdict.count("succeeded")), (jobs, jobs));
    assert!(longest[0] <= AFTER_RUNNER, "{longest:?}");
    assert!(longest[1] <= after_supervisor, "{longest:?}");
    assert!(
        verdict.extra() <= count * IN_HAND,
        "{} runs too many",
        verdict.extra()
    );
}

/// Kills a worker, which is started again after a second, or only its runner.
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
        node.kill_runners();
        before
    };
    let count = held.len();
    let again = tokio::spawn(async move {
        until_again(&sql, held).await;
        at.elapsed()
    });
    if supervisor {
        sleep(Duration::from_secs(1)).await;
        node.spawn().await;
    }
    Kill {
        worker,
        of_supervisor: supervisor,
        at,
        held: count,
        again,
    }
}

/// The jobs that a worker has, and their epochs, as SQL pairs.
async fn in_hand(sql: &Sql, worker: &str) -> Vec<String> {
    let text = format!("SELECT id, epoch FROM jobs WHERE state = 'processing' AND worker = '{worker}'");
    let pair = |row: Vec<Option<String>>| {
        let text = |n: usize| row[n].clone().unwrap_or_default();
        format!("('{}'::uuid, {})", text(0), text(1))
    };
    sql.query(&text).await.into_iter().map(pair).collect()
}

/// Waits until each of these runs again or has ended.
async fn until_again(sql: &Sql, held: Vec<String>) {
    if held.is_empty() {
        return;
    }
    let text = format!(
        "SELECT count(*) FROM jobs JOIN (VALUES {}) AS held (id, epoch) USING (id, epoch)
        WHERE state IN ('queued', 'processing')",
        held.join(",")
    );
    while sql.number(&text).await > 0 {
        sleep(Duration::from_millis(50)).await;
    }
}
