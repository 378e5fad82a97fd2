//! R11: every doorbell rings five times more, in any order, while workers look by themselves too. A doorbell is
//! a reason to look and nothing else, so each job runs once.

use std::{collections::HashSet, time::Duration};

use lamplighter_testkit::{redis::Redis, scenario::sized};
use rand::seq::SliceRandom;
use tokio::time::sleep;

use crate::support::Trial;

/// How often each doorbell is rung, besides the fleet's own ring.
const TIMES: usize = 5;
const BELL: &str = "lamplighter:bell:echo";

/// Appends all of these in one go, as the fleet would one by one.
fn ring(redis: &Redis, jobs: &[String]) {
    let script = "for _, job in ipairs(ARGV) do
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', 128, '*', 'job', job) end";
    for some in jobs.chunks(100) {
        let mut words = vec!["EVAL", script, "1", BELL];
        words.extend(some.iter().map(String::as_str));
        redis.command(&words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_doorbell_that_rings_again_runs_nothing_again() {
    let mut trial = Trial::begin("R11 duplicate doorbells", |builder| builder.workers(sized(2, 4))).await;
    let (jobs, rate) = sized((1_000, 200.0), (10_000, 300.0));
    let load = trial.echo_load(jobs, rate);
    let mut random = trial.scenario.random();
    let (mut rung, mut known) = (0, HashSet::new());
    loop {
        let over = load.is_finished();
        let all = trial.history.acknowledged();
        // What came since the last look, and some of what is long done.
        let new = all.iter().filter(|job| known.insert((*job).clone()));
        let mut again: Vec<String> = new
            .flat_map(|job| std::iter::repeat_n(job.clone(), TIMES))
            .collect();
        again.extend(all.iter().take(20).cloned());
        again.shuffle(&mut random);
        ring(trial.fleet.redis_mut(), &again);
        rung += again.len();
        if over {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    load.await.expect("the load ends well");
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let kept = trial.fleet.redis_mut().command(&["XLEN", BELL]);
    trial.scenario.report(&format_args!(
        "{verdict} rung_again={rung} kept_in_stream={kept:?}"
    ));
    verdict.assert_clean();
    assert!(rung >= jobs * TIMES);
    assert_eq!((verdict.acknowledged, verdict.count("succeeded")), (jobs, jobs));
    assert_eq!(
        (verdict.executions, verdict.claims),
        (jobs as i64, jobs as i64),
        "each was claimed once and run once"
    );
}
