//! R3b, a soak: the machine is busy with other things while long jobs run. No lease is lost for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use lamplighter_testkit::{load::Load, scenario::sized};
use serde_json::json;

use crate::{
    ledger::{self, Ledger},
    signs::metric,
    support::Trial,
};

/// Threads that compute all the time, for each processor.
const HOGS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak"]
async fn r3b_a_busy_machine_costs_no_lease() {
    // Leases and heartbeats as they are by default.
    let mut trial = Trial::begin("R3b no false reap", |builder| builder).await;
    let sql = trial.fleet.sql();
    ledger::keep(&sql).await;
    let (over, hogs) = start_hogs();
    let minutes = sized(2, 10);
    // 60 s jobs, so many a second that most slots are taken, until the last minute.
    let (rate, seconds) = (0.8, (minutes - 1) * 60);
    let jobs = (rate * f64::from(seconds)) as usize;
    let load = Load {
        patience: Duration::from_secs(180),
        ..Load::new(trial.fleet.all_apis(), jobs, rate, trial.scenario.seed())
    };
    load.run(
        trial.history.clone(),
        |number, _| json!({"model": "echo", "input": {"n": number, "sleep_ms": 60_000, "chunks": 60}}),
    )
    .await;
    let verdict = trial.settle(Duration::from_secs(120)).await;
    over.store(true, Ordering::Relaxed);
    let count = hogs.len();
    hogs.into_iter()
        .for_each(|hog| hog.join().expect("it only computes"));
    let lost = sql
        .number("SELECT coalesce(sum(lease_losses), 0) FROM jobs")
        .await;
    let ledger = Ledger::read(&sql).await;
    let again = ledger.claims().filter(|claim| claim.epoch > 1).count();
    let mut told = 0.0;
    for worker in &trial.fleet.workers {
        told += metric(worker, "lease_losses_total").await;
    }
    trial.scenario.report(&format_args!(
        "{verdict} minutes={minutes} hogs={count} lease_losses={lost} noticed_by_workers={told} second_runs={again}"
    ));
    verdict.assert_clean();
    assert_eq!((lost, again, told), (0, 0, 0.0));
}

fn start_hogs() -> (Arc<AtomicBool>, Vec<thread::JoinHandle<()>>) {
    let over = Arc::new(AtomicBool::new(false));
    let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let hog = |_| {
        let over = over.clone();
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        })
    };
    let hogs = (0..HOGS * processors).map(hog).collect();
    (over, hogs)
}
