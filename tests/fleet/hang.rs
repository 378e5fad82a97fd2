//! R2: jobs that never end, in every way a job can, and a runner that stands still. Each is ended at its
//! deadline, its neighbours lose nothing, and nobody claims for a runner that has not passed its canary.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    fleet::{Builder, Node},
    load::Load,
    process::{self, Signal},
    scenario::sized,
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    ledger::{self, Ledger},
    signs::{Phase, logged, until},
    support::Trial,
};

/// Slots of each worker.
const SLOTS: usize = 8;
/// A run is over 2 s after its deadline; this machine may be busy.
const GRACE: f64 = 25.0;
/// What a worker says when it kills a runner.
const KILLED: &str = "a run took too long or is not wanted any more; the runner is killed";

fn plan(builder: Builder) -> Builder {
    builder
        .catalogue(&format!(
            "[[model]]\nid = \"echo\"\ntask = \"echo\"\nfamily = \"echo\"\n[model.limits]\nmax_batch_jobs = {SLOTS}\n"
        ))
        .env("LAMPLIGHTER_WORKER__ECHO_FAULTS", "true")
        .env("LAMPLIGHTER_LOG_FORMAT", "json")
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_what_hangs_is_ended_at_its_deadline_and_its_neighbours_succeed() {
    let mut trial = Trial::begin("R2 hang", plan).await;
    let sql = trial.fleet.sql();
    ledger::keep(&sql).await;
    let deadline = sized(1_u64, 5);
    let (good, bad, rate) = sized((100, 10, 40.0), (1_000, 100, 40.0));
    // The same load twice; the second time every tenth job hangs.
    let alone = Load::new(trial.fleet.all_apis(), good, rate, trial.scenario.seed());
    alone
        .run(trial.history.clone(), |n, _| body("alone", n, json!({})))
        .await;
    let share = bad as f64 / good as f64;
    let mixed = Load::new(
        trial.fleet.all_apis(),
        good + bad,
        rate * (1.0 + share),
        trial.scenario.seed() + 1,
    );
    mixed
        .run(trial.history.clone(), move |n, random| {
            some_hang(n, random, deadline, good, bad)
        })
        .await;
    let frozen = freeze_a_runner(&trial, deadline + 2).await;
    full_house(&trial).await;
    let verdict = trial.settle(Duration::from_secs(60)).await;

    let ledger = Ledger::read(&sql).await;
    let hung = Phase::of(&sql, "hang").await;
    let late = |jobs: &Phase, limit: u64| {
        let runs = jobs.ids().filter_map(|job| ledger.last_run(job));
        runs.fold(0.0, f64::max) - limit as f64
    };
    let (late_hung, late_frozen) = (late(&hung, deadline), late(&frozen, deadline + 2));
    let good_jobs = Phase::of(&sql, "good").await;
    let (base, p99) = (Phase::of(&sql, "alone").await.p99(), good_jobs.p99());
    let kills = trial
        .fleet
        .workers
        .iter()
        .map(|worker| logged(worker, KILLED).len())
        .sum::<usize>();
    let unready: usize = trial
        .fleet
        .workers
        .iter()
        .map(|worker| claims_without_canary(worker, &ledger))
        .sum();
    trial.scenario.report(&format_args!(
        "{verdict} killed {} of {bad} within {late_hung:.2} s of their deadline of {deadline} s, {} in a frozen runner \
         within {late_frozen:.2} s; runners killed {kills}; good jobs failed {}, p99 {:.0} ms (alone {:.0} ms, ratio \
         {:.1}); claims begun while a runner was not ready {unready}",
        hung.count("failed", "timeout"),
        frozen.count("failed", "timeout"),
        good - good_jobs.count("succeeded", ""),
        p99 * 1e3,
        base * 1e3,
        p99 / base,
    ));
    verdict.assert_clean();
    assert!(ledger.faults().is_empty(), "{:?}", ledger.faults());
    assert_eq!(hung.count("failed", "timeout"), bad, "{hung:?}");
    // Who was not late itself when the frozen runner was killed runs again.
    // Where it froze before it had begun with them, it is replaced for its silence, and none of them was late.
    let ended = frozen.count("failed", "timeout") + frozen.count("succeeded", "");
    assert_eq!(ended, frozen.len(), "{frozen:?}");
    assert_eq!(
        (good_jobs.count("succeeded", ""), good_jobs.most_attempts()),
        (good, 1)
    );
    assert!(late_hung < GRACE && late_frozen < GRACE);
    // A claim that was under way at a kill is nobody's fault.
    assert!(unready <= kills, "{unready} claims for {kills} killed runners");
    assert!(p99 < 2.0 * base + deadline as f64 + GRACE, "{p99} s");
}

fn body(phase: &str, number: usize, mut input: Value) -> Value {
    input["n"] = number.into();
    if input["sleep_ms"].is_null() {
        input["sleep_ms"] = 50.into();
    }
    json!({"model": "echo", "input": input, "metadata": {"phase": phase}})
}

/// Exactly `bad` of the jobs hang; which, is left to chance within each stretch.
fn some_hang(number: usize, random: &mut StdRng, deadline: u64, good: usize, bad: usize) -> Value {
    let every = (good + bad) / bad;
    // The place within a stretch is the same whoever asks: chance decides what it does, not whether.
    if number % every != every / 2 || number / every >= bad {
        return body("good", number, json!({}));
    }
    let how = match random.random_range(0..3) {
        0 => json!({"hang": true, "sleep_ms": 10}),
        1 => json!({"spin": true, "sleep_ms": 10}),
        _ => json!({"sleep_ms": 600_000}),
    };
    let mut job = body("hang", number, how);
    job["timeout"] = json!({"run_seconds": deadline});
    job
}

/// Stops a runner with jobs in it that would end in time if it were let.
async fn freeze_a_runner(trial: &Trial, deadline: u64) -> Phase {
    let sql = trial.fleet.sql();
    let api = trial.fleet.api(0);
    for number in 0..4 {
        let mut job = body("frozen", number, json!({"sleep_ms": 1_500}));
        job["timeout"] = json!({"run_seconds": deadline});
        api.post_job(&job).await;
    }
    until("they run", async || {
        (Phase::of(&sql, "frozen").await.count("processing", "") == 4).then_some(())
    })
    .await;
    // From the claim to the runner it is a moment.
    sleep(Duration::from_millis(300)).await;
    for runner in trial.fleet.workers.iter().flat_map(Node::runner_pids) {
        process::signal(runner, Signal::SIGSTOP);
    }
    let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'processing')";
    until("they are ended", async || {
        (sql.number(open).await == 0).then_some(())
    })
    .await;
    Phase::of(&sql, "frozen").await
}

/// As many jobs as there are slots, all at the same time: every slot is there again.
async fn full_house(trial: &Trial) {
    let began = Instant::now();
    let slots = SLOTS * trial.fleet.workers.len();
    // The other runner may stand still, too, until somebody notices.
    let api = trial.fleet.api(1);
    let bodies: Vec<Value> = (0..slots)
        .map(|number| body("house", number, json!({"sleep_ms": 1_500})))
        .collect();
    futures::future::join_all(bodies.iter().map(|body| api.post_job(body))).await;
    let sql = trial.fleet.sql();
    let running = "SELECT count(*) FROM jobs WHERE state = 'processing'";
    until("every slot is taken", async || {
        (sql.number(running).await == slots as i64).then_some(())
    })
    .await;
    println!(
        "R2 hang: {slots} of {slots} slots are back after {:?}",
        began.elapsed()
    );
}

/// Claims that a worker began between the kill of its runner and the next one's canary.
fn claims_without_canary(worker: &Node, ledger: &Ledger) -> usize {
    let ready = logged(worker, "ready");
    let mut begun = BTreeSet::new();
    for killed in logged(worker, KILLED) {
        let back = ready
            .iter()
            .copied()
            .find(|at| *at > killed)
            .unwrap_or(f64::INFINITY);
        let claims = ledger.claims().filter(|claim| claim.worker == worker.name());
        // A claim takes many jobs at once.
        begun.extend(
            claims
                .filter(|claim| claim.at > killed && claim.at < back)
                .map(|claim| claim.txn),
        );
    }
    begun.len()
}
