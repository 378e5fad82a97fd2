//! R9: processes die between the two steps of one thing, at every fault point there is (`shared/src/fault.rs`).
//! What was acknowledged is not lost, what was not leads to nothing, and a job whose doorbell never rang is
//! found all the same.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    checker::{self, job_id},
    fleet::Node,
    load::Load,
    scenario::sized,
};
use rand::{RngExt, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::support::Trial;

/// A job without a doorbell is found when an idle worker looks, which takes 1.2 s at most; five times that.
const FOUND: Duration = Duration::from_secs(6);
/// The longest that somebody may take to reach a fault point.
const REACHED: Duration = Duration::from_secs(180);

/// A fault point, what else is set for it to be reached, and how often it is passed before it strikes.
struct Point {
    name: &'static str,
    others: &'static str,
    passed: std::ops::Range<u32>,
    /// Redis is emptied again and again.
    emptied: bool,
}

impl Point {
    const fn new(name: &'static str, passed: std::ops::Range<u32>) -> Self {
        Self {
            name,
            others: "",
            passed,
            emptied: false,
        }
    }

    /// The value of `FAILPOINTS` for one start of one process.
    fn actions(&self, random: &mut StdRng) -> String {
        let passed = random.random_range(self.passed.clone());
        format!("{}{}={passed}*off->return(abort)", self.others, self.name)
    }
}

const OF_APIS: [Point; 4] = [
    Point::new("submit.after_commit", 3..12),
    Point::new("submit.after_push", 3..12),
    Point::new("submit.before_response", 3..12),
    // Only who is not in the cache is looked up.
    Point {
        emptied: true,
        ..Point::new("auth.after_db_read", 0..3)
    },
];

const OF_WORKERS: [Point; 5] = [
    Point::new("claim.after_update", 1..4),
    Point::new("claim.delivered", 1..4),
    Point::new("run.before_finish", 1..4),
    Point::new("finish.after_commit", 1..4),
    // There is something to reap only where a worker was lost.
    Point {
        others: "claim.after_update=3*off->return(abort);",
        ..Point::new("reap.after_pick", 0..3)
    },
];

/// Starts those again that have ended; how many.
pub async fn revive(nodes: &mut [Node], mut prepare: impl FnMut(&mut Node)) -> usize {
    let mut ended = 0;
    for node in nodes {
        if !node.is_running() {
            prepare(node);
            node.spawn().await;
            ended += 1;
        }
    }
    ended
}

/// Sets the fault points of a process from its next start on.
pub fn set_points(node: &mut Node, actions: &str) {
    node.remove_env("FAILPOINTS");
    node.set_env("FAILPOINTS", actions);
}

fn nodes(trial: &mut Trial, of_apis: bool) -> &mut [Node] {
    if of_apis {
        &mut trial.fleet.apis
    } else {
        &mut trial.fleet.workers
    }
}

/// Jobs are sent while processes end at one point after the other; how many ended at each.
async fn strike(trial: &mut Trial, points: &[Point], of_apis: bool) -> BTreeMap<&'static str, usize> {
    let (jobs, rate) = sized((100, 100.0), (1_000, 200.0));
    let (mut random, mut ended, mut loads) = (trial.scenario.random(), BTreeMap::new(), Vec::new());
    for (number, point) in points.iter().enumerate() {
        trial
            .history
            .fault(format!("from now on they end at {}", point.name));
        for node in nodes(trial, of_apis) {
            node.kill9();
            set_points(node, &point.actions(&mut random));
            node.spawn().await;
        }
        // Another seed for each: it makes the keys.
        let seed = trial.scenario.seed() + 1_000_000_007 * (number as u64 + 1);
        let load = Load::new(trial.fleet.all_apis(), jobs, rate, seed);
        loads.push(tokio::spawn(load.run(trial.history.clone(), Load::echo)));
        let (began, sending) = (Instant::now(), Duration::from_secs_f64(jobs as f64 / rate));
        let mut times = 0;
        while began.elapsed() < sending || times < 2 {
            assert!(
                began.elapsed() < sending + REACHED,
                "nobody reaches {}",
                point.name
            );
            if point.emptied {
                trial.fleet.redis_mut().command(&["FLUSHALL"]);
            }
            times += revive(nodes(trial, of_apis), |node| {
                set_points(node, &point.actions(&mut random));
            })
            .await;
            sleep(Duration::from_millis(20)).await;
        }
        ended.insert(point.name, times);
    }
    trial.history.fault("from now on nobody ends");
    for node in nodes(trial, of_apis) {
        set_points(node, "");
        node.restart().await;
    }
    for load in loads {
        load.await.expect("the load ends well");
    }
    ended
}

/// Nothing was lost, and there is nothing that nobody has asked for.
async fn judge(trial: &mut Trial, jobs: usize, ended: &BTreeMap<&str, usize>) {
    let verdict = trial.settle(Duration::from_secs(60)).await;
    let sql = trial.fleet.sql();
    let rows: HashSet<String> = checker::rows(&sql).await.into_iter().map(|row| row.id).collect();
    let rung = trial
        .fleet
        .redis_mut()
        .command(&["XRANGE", "lamplighter:bell:echo", "-", "+"]);
    let named: Vec<String> = rung
        .list()
        .iter()
        .filter_map(|entry| Some(entry.list().get(1)?.list().get(1)?.text()))
        .collect();
    let phantoms = named.iter().filter(|job| !rows.contains(*job)).count();
    trial.scenario.report(&format_args!(
        "{verdict} rows={} doorbells_kept={} without_a_row={phantoms} ended={ended:?}",
        rows.len(),
        named.len()
    ));
    verdict.assert_clean();
    assert_eq!((verdict.acknowledged, verdict.count("succeeded")), (jobs, jobs));
    assert_eq!(rows.len(), jobs, "a job that nobody was told of");
    assert_eq!(phantoms, 0, "a doorbell rang for a job that is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_an_api_may_die_at_any_step_of_a_submit() {
    let mut trial = Trial::begin("R9 fault points of APIs", |builder| builder).await;
    let ended = strike(&mut trial, &OF_APIS, true).await;
    let jobs = sized(100, 1_000) * OF_APIS.len();
    judge(&mut trial, jobs, &ended).await;
    // How long jobs waited for their first run; most of those whose API died have had no doorbell.
    let waited = "SELECT max(started_at - created_at) FROM jobs WHERE epoch = 1";
    let waited = Duration::from_millis(trial.fleet.sql().number(waited).await.unsigned_abs());
    trial.scenario.report(&format_args!("longest_wait={waited:?}"));
    assert!(waited <= FOUND, "{waited:?}");
    an_orphan_is_found(&mut trial).await;
}

/// One job alone whose API dies before it rings.
async fn an_orphan_is_found(trial: &mut Trial) {
    set_points(&mut trial.fleet.apis[0], "submit.after_commit=return(abort)");
    trial.fleet.apis[0].restart().await;
    let body = json!({"model": "echo", "input": {"orphan": true}});
    let submit = |number: usize| {
        let request = trial.fleet.api(number).request(Method::POST, "/v1/jobs");
        request.header("idempotency-key", "orphan").json(&body).send()
    };
    submit(0).await.expect_err("the API died before it could answer");
    let sql = trial.fleet.sql();
    let newest = "SELECT id, completed_at - created_at FROM jobs ORDER BY created_at DESC, id DESC LIMIT 1";
    let began = Instant::now();
    let (id, took) = loop {
        let rows = sql.query(newest).await;
        if let [Some(id), Some(took)] = &rows[0][..] {
            break (id.clone(), took.parse::<u64>().expect("milliseconds"));
        }
        assert!(began.elapsed() < FOUND * 2, "nobody has found the orphan");
        sleep(Duration::from_millis(20)).await;
    };
    println!(
        "scenario=\"R9 orphan\" seed={} found_and_run_ms={took}",
        trial.scenario.seed()
    );
    assert!(Duration::from_millis(took) <= FOUND, "{took} ms");
    // Whoever repeats the request gets that very job.
    let again: serde_json::Value = submit(1).await.expect("an answer").json().await.expect("JSON");
    assert_eq!(again["id"], json!(job_id(&id)), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_worker_may_die_at_any_step_of_a_run() {
    let mut trial = Trial::begin("R9 fault points of workers", |builder| {
        builder
            .env("LAMPLIGHTER_JOBS__LEASE_SECONDS", "2")
            .env("LAMPLIGHTER_JOBS__HEARTBEAT_SECONDS", "0.5")
            .env("LAMPLIGHTER_JOBS__REAP_SECONDS", "0.2")
            .env("LAMPLIGHTER_JOBS__REAP_CONFIRM_SECONDS", "0.5")
            // Innocent jobs are lost with their worker much more often here than anywhere else.
            .env("LAMPLIGHTER_JOBS__MAX_LEASE_LOSSES", "1000")
    })
    .await;
    let ended = strike(&mut trial, &OF_WORKERS, false).await;
    let jobs = sized(100, 1_000) * OF_WORKERS.len();
    judge(&mut trial, jobs, &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_revocation_that_dies_half_way_can_be_said_again() {
    let mut trial = Trial::begin("R9 revocation", |builder| builder.workers(0)).await;
    let token = trial.fleet.create_token("someone@example.org", &[]);
    let status = async |trial: &Trial, number: usize| {
        let (status, _) = trial.fleet.api_as(number, &token).get("/v1/jobs").await;
        status.as_u16()
    };
    for number in 0..2 {
        assert_eq!(status(&trial, number).await, 200, "it is in the cache now");
    }
    let mut command = trial.fleet.command(&["token", "revoke", &token]);
    command.env("FAILPOINTS", "revoke.after_commit=return(abort)");
    let died = command.output().expect("the program can be started");
    assert!(!died.status.success(), "it died after the commit");
    let row = "SELECT count(*) FROM api_tokens WHERE revoked_at IS NOT NULL";
    assert_eq!(trial.fleet.sql().number(row).await, 1, "the database knows");
    // Nobody was told that it is done: the cache may still say otherwise, until it is said again.
    let again = trial.fleet.command(&["token", "revoke", &token]).output();
    let again = again.expect("the program can be started");
    let mut taken = 0;
    for round in 0..20 {
        taken += usize::from(status(&trial, round % 2).await != 401);
    }
    trial.scenario.report(&format_args!(
        "taken_afterwards={taken} of 20; the second time it says {:?}",
        String::from_utf8_lossy(&again.stderr).lines().last()
    ));
    assert_eq!(taken, 0);
    trial.settle(Duration::from_secs(10)).await;
}
