//! R18: every API and every worker is replaced, one after the other, while clients send and listen. Nobody is
//! refused, no stream skips anything, and work in hand that takes too long goes to another worker at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    history::{Answer, Seen},
    load::Load,
    postgres::{self, Sql},
    scenario::sized,
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::{judge::unix_ms, support::Trial};

/// What a stopping process waits for its work.
const GRACE: Duration = Duration::from_secs(1);
/// The same, and longer than a transaction may take: whoever waits can be told how it went.
const LONG_GRACE: Duration = Duration::from_secs(12);
/// An exit takes the grace, and 3 s for what does not hear; the rest is for a busy machine.
const EXIT: Duration = Duration::from_secs(15);
/// A job that is handed back runs again within a second; five times that.
const AGAIN: Duration = Duration::from_secs(5);

/// Mostly short jobs, some of which tell chunks; a few outlast the grace of a worker.
fn mixed(number: usize, random: &mut StdRng) -> Value {
    if number % 25 == 7 {
        let input = json!({"n": number, "sleep_ms": 3_000, "chunks": 10});
        return json!({"model": "echo", "input": input});
    }
    Load::echo(number, random)
}

/// A run that a worker had in hand when it was asked to end.
struct Run {
    job: String,
    epoch: i64,
    attempt: i64,
}

async fn in_hand(sql: &Sql, worker: &str) -> Vec<Run> {
    let text =
        format!("SELECT id, epoch, attempt FROM jobs WHERE state = 'processing' AND worker = '{worker}'");
    let run = |row: Vec<Option<String>>| {
        let text = |n: usize| row[n].clone().unwrap_or_default();
        Run {
            job: text(0),
            epoch: text(1).parse().expect("a number"),
            attempt: text(2).parse().expect("a number"),
        }
    };
    sql.query(&text).await.into_iter().map(run).collect()
}

/// How a stop of a worker went.
#[derive(Debug, Default)]
struct Stop {
    exit: Duration,
    held: usize,
    handed_back: usize,
    /// The longest that a job that was handed back waited after its worker's end; less than nothing where
    /// the worker still had others to finish.
    again_ms: i64,
}

/// Asks a worker to end, and sees what becomes of what it had in hand.
async fn stop_worker(trial: &mut Trial, number: usize) -> Stop {
    let sql = trial.fleet.sql();
    let worker = &mut trial.fleet.workers[number];
    trial.history.fault(format!("SIGTERM to {}", worker.name()));
    let held = in_hand(&sql, worker.name()).await;
    let began = Instant::now();
    worker.sigterm();
    let status = worker.wait_exit(EXIT).await;
    let (exit, gone) = (began.elapsed(), unix_ms());
    assert!(status.success(), "{}: {status}", worker.name());
    let left = in_hand(&sql, worker.name()).await;
    assert!(
        left.is_empty(),
        "{} left {} jobs behind",
        worker.name(),
        left.len()
    );
    let mut stop = Stop {
        exit,
        held: held.len(),
        again_ms: i64::MIN,
        ..Stop::default()
    };
    for run in held {
        let Some(started) = ran_again(&sql, &run).await else {
            continue;
        };
        stop.handed_back += 1;
        stop.again_ms = stop.again_ms.max(started - gone);
    }
    stop
}

/// When a run that was handed back began again; none where it was finished.
async fn ran_again(sql: &Sql, run: &Run) -> Option<i64> {
    let text = format!(
        "SELECT state, epoch, attempt, started_at FROM jobs WHERE id = '{}'",
        run.job
    );
    let end = Instant::now() + AGAIN * 3;
    loop {
        let row = sql.query(&text).await.remove(0);
        let number = |n: usize| row[n].as_deref().and_then(|n| n.parse::<i64>().ok());
        let (epoch, attempt) = (number(1)?, number(2)?);
        match row[0].as_deref() {
            Some("queued") => assert!(Instant::now() < end, "{} waits and waits", run.job),
            _ if epoch == run.epoch => return None,
            _ => {
                assert_eq!(attempt, run.attempt, "a run that was handed back counts");
                return number(3);
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// So many jobs a second until `over`, however long that takes; how many.
fn load(trial: &Trial, rate: f64, over: Arc<AtomicBool>) -> impl Future<Output = usize> + use<> {
    let (apis, history, seed) = (
        trial.fleet.all_apis(),
        trial.history.clone(),
        trial.scenario.seed(),
    );
    async move {
        let (mut jobs, mut seconds) = (0, JoinSet::new());
        while !over.load(Ordering::Relaxed) {
            // Another seed for each: it makes the keys.
            let mut load = Load::new(apis.clone(), rate as usize, rate, seed + jobs as u64);
            load.followed = 0.3;
            jobs += load.jobs;
            seconds.spawn(load.run(history.clone(), mixed));
            sleep(Duration::from_secs(1)).await;
        }
        seconds.join_all().await;
        jobs
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_everything_is_replaced_and_nobody_notices() {
    let mut trial = Trial::begin("R18 rolling restart", |builder| {
        builder
            .alone()
            .workers(sized(2, 4))
            .env("LAMPLIGHTER_SERVER__GRACE_SECONDS", GRACE.as_secs().to_string())
    })
    .await;
    let (rounds, rate) = sized((1, 50.0), (10, 50.0));
    let over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(&trial, rate, over.clone()));
    let mut random = trial.scenario.random();
    let (mut workers, mut apis) = (Vec::new(), Duration::ZERO);
    for _ in 0..rounds {
        for number in 0..trial.fleet.workers.len() {
            sleep(Duration::from_millis(random.random_range(500..1_000))).await;
            workers.push(stop_worker(&mut trial, number).await);
            trial.fleet.workers[number].restart().await;
        }
        for number in 0..trial.fleet.apis.len() {
            sleep(Duration::from_millis(random.random_range(300..600))).await;
            let api = &mut trial.fleet.apis[number];
            trial.history.fault(format!("SIGTERM to {}", api.name()));
            let began = Instant::now();
            api.sigterm();
            let status = api.wait_exit(EXIT).await;
            apis = apis.max(began.elapsed());
            assert!(status.success(), "{}: {status}", api.name());
            api.restart().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    let jobs = load.await.expect("the load ends well");
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let handed_back: usize = workers.iter().map(|stop| stop.handed_back).sum();
    let again = workers.iter().map(|stop| stop.again_ms).max().unwrap_or_default();
    let exit = workers.iter().map(|stop| stop.exit).max().unwrap_or_default();
    trial.scenario.report(&format_args!(
        "{verdict} worker_stops={} slowest_exit={exit:.1?} in_hand={} handed_back={handed_back} \
         again_after_exit_ms={again} slowest_api_exit={apis:.1?}",
        workers.len(),
        workers.iter().map(|stop| stop.held).sum::<usize>(),
    ));
    verdict.assert_clean();
    assert_eq!((verdict.acknowledged, verdict.count("succeeded")), (jobs, jobs));
    let refused = refusals(&trial);
    assert!(refused.is_empty(), "{refused:?}");
    assert!(handed_back > 0, "nothing was handed back");
    assert!(again <= AGAIN.as_millis() as i64, "{again} ms");
    assert_eq!(verdict.extra(), 0, "what is handed back does not count as a run");
}

/// Answers other than 2xx, but for those of an API with more requests than it can work on, which says
/// something of the machine only. No answer at all is a connection that was closed: the client goes to
/// another API.
fn refusals(trial: &Trial) -> Vec<String> {
    let entries = trial.history.entries();
    let refusal = |what: &Seen| match what {
        Seen::Submit { answer, .. } | Seen::Read { answer, .. } => match answer {
            Answer::Got { status, body, .. } if !(200..300).contains(status) && !shed(body) => {
                Some(format!("{status} {body}"))
            }
            _ => None,
        },
        _ => None,
    };
    entries.iter().filter_map(|entry| refusal(&entry.what)).collect()
}

fn shed(body: &Value) -> bool {
    let detail = body["detail"].as_str().unwrap_or_default();
    detail.contains("more to do than it can")
}

/// An API that everybody waits for ends all the same, in time, also where nothing behind it answers.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_ends_with_everybody_waiting_and_neither_redis_nor_postgres() {
    let mut trial = Trial::begin("last orders of an API", |builder| {
        builder
            .apis(1)
            .workers(1)
            .own_postgres(postgres::Options::default())
            .env(
                "LAMPLIGHTER_SERVER__GRACE_SECONDS",
                LONG_GRACE.as_secs().to_string(),
            )
    })
    .await;
    let api = trial.fleet.api(0);
    let job = json!({"model": "echo", "input": {"sleep_ms": 60_000}});
    let long = api.post_job(&job).await;
    let id = long["id"].as_str().expect("an id");
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(api.events(id, None).await.expect("a stream"));
    }
    let waiters: Vec<_> = (0..64)
        .map(|_| {
            let request = api.request(reqwest::Method::POST, "/v1/jobs").json(&job);
            tokio::spawn(request.header("prefer", "wait=60").send())
        })
        .collect();
    let sql = trial.fleet.sql();
    let end = Instant::now() + EXIT;
    while sql.number("SELECT count(*) FROM jobs").await <= 64 {
        assert!(Instant::now() < end, "they are taken");
        sleep(Duration::from_millis(10)).await;
    }
    trial.fleet.redis_mut().pause();
    trial.fleet.postgres().pause();
    // Some more, which nobody can store.
    let lost: Vec<_> = (0..64)
        .map(|_| tokio::spawn(api.request(reqwest::Method::POST, "/v1/jobs").json(&job).send()))
        .collect();
    sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    trial.fleet.apis[0].sigterm();
    trial.fleet.apis[0].wait_exit(EXIT).await;
    let took = began.elapsed();
    trial.fleet.postgres().resume();
    trial.fleet.redis_mut().resume();
    let mut answers = BTreeMap::<String, usize>::new();
    for waiter in waiters.into_iter().chain(lost) {
        let answer = waiter.await.expect("a client ends well");
        let what = answer.map_or_else(|_| "none".to_owned(), |answer| answer.status().to_string());
        *answers.entry(what).or_default() += 1;
    }
    trial.scenario.report(&format_args!(
        "grace={LONG_GRACE:?} ended_after={took:?} answers={answers:?}"
    ));
    // The grace, and 3 s for what does not hear.
    assert!(took < LONG_GRACE + Duration::from_secs(10), "{took:?}");
    let decent = ["202 Accepted", "503 Service Unavailable", "none"];
    assert!(
        answers.keys().all(|what| decent.contains(&what.as_str())),
        "{answers:?}"
    );
}
