//! R3: a worker stands still for longer than its leases, somebody else runs its jobs, and then it goes on
//! where it was. Nothing that it writes or tells counts any more.

use std::{collections::BTreeMap, time::Duration};

use lamplighter_shared::{
    db::{
        Db,
        finish::{Finish, Outcome, finish},
        lease::heartbeat,
    },
    job::Metrics,
};
use lamplighter_testkit::{checker::job_id, history::Seen, load::Client, scenario::sized};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    ledger::{self, Change, Ledger},
    signs::{metric, until},
    support::Trial,
};

/// Short leases: a worker is dead after 2 s, and that is sure half a second later.
const CONFIG: &str =
    "[jobs]\nlease_seconds = 2\nheartbeat_seconds = 0.5\nreap_seconds = 0.2\nreap_confirm_seconds = 0.5\n";
/// Jobs in one freeze; the worker that has more of them is frozen.
const JOBS: usize = 24;

/// When a worker is frozen.
struct Moment {
    /// How long jobs sleep: one of these.
    sleep_ms: [u64; 2],
    /// How long after the last of them was claimed.
    after: Duration,
}

/// What a scenario counts.
#[derive(Default)]
struct Count {
    zombies: usize,
    /// Stale ends that we offered by hand.
    offered: usize,
    accepted: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_run_that_was_frozen_ends_for_nobody() {
    let trial = begin("R3 zombie, frozen while it runs", "").await;
    let moment = Moment {
        // Some are ready when it thaws; of the others it hears that they are lost.
        sleep_ms: [2_000, 5_000],
        after: Duration::from_millis(300),
    };
    scenario(trial, &moment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_result_that_was_frozen_on_its_way_is_refused() {
    // Every result waits before it is written, and then the writer is frozen with it.
    let trial = begin(
        "R3 zombie, frozen before it writes",
        "run.before_finish=return(wait 2000)",
    )
    .await;
    let moment = Moment {
        sleep_ms: [200, 200],
        after: Duration::from_millis(900),
    };
    scenario(trial, &moment).await;
}

async fn begin(name: &str, fault_points: &str) -> Trial {
    let trial = Trial::begin(name, |builder| {
        builder.config(CONFIG).env("FAILPOINTS", fault_points)
    })
    .await;
    ledger::keep(&trial.fleet.sql()).await;
    trial
}

async fn scenario(mut trial: Trial, moment: &Moment) {
    let mut count = Count::default();
    for round in 0..sized(1, 9) {
        freeze(&trial, moment, round, &mut count).await;
    }
    let verdict = trial.settle(Duration::from_secs(60)).await;
    let ledger = Ledger::read(&trial.fleet.sql()).await;
    let shortfall = greatest_shortfall(&trial, &ledger).await;
    let resets = trial.history.entries().into_iter();
    let resets =
        resets.filter(|entry| matches!(&entry.what, Seen::Event { event, .. } if event.name == "reset"));
    let resets = resets.count();
    let zombies = count.zombies;
    // What a zombie still has to say, it may say a moment after its successor has ended.
    let (refused, stopped) = until("every zombie is refused or stopped", async || {
        let (refused, stopped) = farewells(&trial);
        (refused + stopped >= zombies).then_some((refused, stopped))
    })
    .await;
    let mut told = 0;
    for worker in &trial.fleet.workers {
        told += metric(worker, "stale_result_rejected_total").await as usize;
    }
    trial.scenario.report(&format_args!(
        "{verdict} zombies={zombies} stale_results_refused={refused} counted={told} runs_stopped={stopped} \
         offered_by_hand={} accepted={} resets_seen={resets} ended_early_by={shortfall:.3}s faults={:?}",
        count.offered,
        count.accepted,
        ledger.faults(),
    ));
    verdict.assert_clean();
    assert!(ledger.faults().is_empty(), "{:?}", ledger.faults());
    assert_eq!(verdict.count("succeeded"), verdict.acknowledged);
    assert_eq!(count.accepted, 0, "a stale write was taken");
    // The end of a zombie would have come before its successor could have slept.
    assert!(shortfall < 0.01, "a run was {shortfall} s shorter than its sleep");
    assert!(
        resets >= zombies,
        "whoever follows a job hears that its first run is void"
    );
    assert_eq!(refused, told, "what is refused is counted");
    assert_eq!(
        refused + stopped,
        count.zombies,
        "every zombie is refused or stopped"
    );
}

/// How many ends were refused as stale, and how many runs were stopped before they had one.
fn farewells(trial: &Trial) -> (usize, usize) {
    let logs: String = trial.fleet.workers.iter().map(|worker| worker.log()).collect();
    let count = |text: &str| logs.matches(text).count();
    (
        count("a stale end of a run was refused"),
        count("a lease was lost; the job is stopped"),
    )
}

/// By how much the last run of a job was shorter than the job's sleep, at most; seconds.
async fn greatest_shortfall(trial: &Trial, ledger: &Ledger) -> f64 {
    let text = "SELECT job_id, (input::json ->> 'sleep_ms')::float / 1000 FROM job_payloads";
    let mut greatest = f64::NEG_INFINITY;
    for row in trial.fleet.sql().query(text).await {
        let text = |n: usize| row[n].clone().unwrap_or_default();
        let sleep: f64 = text(1).parse().expect("it sleeps");
        let took = ledger.last_run(&job_id(&text(0))).expect("it has ended");
        greatest = greatest.max(sleep - took);
    }
    greatest
}

/// Lets two workers begin jobs, freezes one of them until the other has all of its jobs, and thaws it.
async fn freeze(trial: &Trial, moment: &Moment, round: usize, count: &mut Count) {
    let sql = trial.fleet.sql();
    let mut followers = JoinSet::new();
    for number in 0..JOBS {
        let mut client = Client {
            apis: trial.fleet.all_apis(),
            next: number,
            history: trial.history.clone(),
            deadline: Instant::now() + Duration::from_secs(60),
        };
        let input =
            json!({"n": number, "round": round, "sleep_ms": moment.sleep_ms[number % 2], "chunks": 10});
        let key = format!("{}-{round}-{number}", trial.scenario.seed());
        followers.spawn(async move {
            let body = json!({"model": "echo", "input": input});
            let job = client.submit(&key, &body).await.expect("it is taken");
            client.follow(&job).await;
        });
    }
    let begun = "SELECT count(*) FROM ledger WHERE became = 'processing' AND epoch = 1";
    until("all jobs have begun", async || {
        (sql.number(begun).await >= ((round + 1) * JOBS) as i64).then_some(())
    })
    .await;
    sleep(moment.after).await;
    let victim = busiest(trial).await;
    let node = &trial.fleet.workers[victim];
    node.pause();
    trial.history.fault(format!("freeze {}", node.name()));
    let zombies = held_by(trial, node.name()).await;
    assert!(zombies.len() >= JOBS / 2, "it has most of them");
    count.zombies += zombies.len();
    let successors = until("its jobs run elsewhere", async || {
        successors(trial, &zombies).await
    })
    .await;
    offer_stale_ends(trial, &zombies, &successors, count).await;
    trial.history.fault(format!("thaw {}", node.name()));
    node.resume();
    while let Some(follower) = followers.join_next().await {
        follower.expect("a client ends well");
    }
}

/// The worker with the most jobs in hand.
async fn busiest(trial: &Trial) -> usize {
    let mut counts = Vec::new();
    for worker in &trial.fleet.workers {
        counts.push(held_by(trial, worker.name()).await.len());
    }
    let most = counts.iter().enumerate().max_by_key(|(_, count)| **count);
    most.expect("there are workers").0
}

/// The claims of the jobs that a worker holds.
async fn held_by(trial: &Trial, worker: &str) -> Vec<Change> {
    let ledger = Ledger::read(&trial.fleet.sql()).await;
    let last: BTreeMap<&str, &Change> = ledger
        .0
        .iter()
        .map(|change| (change.job.as_str(), change))
        .collect();
    let held = last
        .into_values()
        .filter(|change| change.is_claim() && change.worker == worker);
    held.cloned().collect()
}

/// The claims of the next runs of these; none until all of them have begun.
async fn successors(trial: &Trial, zombies: &[Change]) -> Option<Vec<Change>> {
    let ledger = Ledger::read(&trial.fleet.sql()).await;
    let next = |zombie: &Change| {
        let mut claims = ledger.claims();
        claims
            .find(|claim| claim.job == zombie.job && claim.epoch == zombie.epoch + 1)
            .cloned()
    };
    zombies.iter().map(next).collect()
}

/// Writes ends and heartbeats as somebody would who knows the old run: with its boot, with the new epoch, and
/// with the boot of the successor. None may be taken.
async fn offer_stale_ends(trial: &Trial, zombies: &[Change], successors: &[Change], count: &mut Count) {
    let db = Db::connect(&trial.fleet.database_url())
        .await
        .expect("the database answers");
    for (old, new) in zombies.iter().zip(successors) {
        let job = old.job.parse().expect("an id");
        let (old_boot, new_boot) = (
            old.boot.parse().expect("a boot"),
            new.boot.parse().expect("a boot"),
        );
        for (boot, epoch) in [
            (old_boot, old.epoch),
            (old_boot, new.epoch),
            (new_boot, old.epoch),
        ] {
            let end = Finish {
                job,
                epoch,
                outcome: Outcome::Succeeded(json!({"by": "a zombie"}).to_string()),
                metrics: Metrics::default(),
                last_seq: 0,
            };
            let written = finish(&db, boot, 3, &[end]).await.expect("the database answers");
            let beaten = heartbeat(&db, boot, &[(job, epoch)], Duration::from_secs(60)).await;
            count.offered += 2;
            count.accepted += written.len() + beaten.expect("the database answers").len();
        }
    }
}
