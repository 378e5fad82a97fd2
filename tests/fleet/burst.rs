//! Twenty thousand jobs at once, and rubbish in the streams: workers go on, nothing stands still, and Redis
//! stays small.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use lamplighter_shared::{
    cache::Redis,
    db::{
        Db,
        shares::ShareLimits,
        submit::{NewJob, Submitted, Submitter},
        users::{self, Role},
    },
    id::JobId,
    job::Priority,
    lifecycle::Lifecycle,
    queue::{Doorbell, RedisDoorbell},
};
use lamplighter_testkit::{fleet::Fleet, redis, scenario::sized};
use tokio::time::sleep;

use crate::support::Trial;

const BURST: usize = 20_000;
/// Submits under way at once.
const AT_ONCE: usize = 1_024;
/// What the burst may cost Redis at any time: the bar for a backlog of a million.
const REDIS_MEMORY: i64 = 64 << 20;
/// In each of these, some jobs end.
const WINDOW: Duration = Duration::from_secs(2);

const ENDED: &str = "SELECT count(*) FROM jobs WHERE state = 'succeeded'";

fn job(owner: &users::User, number: usize) -> NewJob {
    NewJob {
        id: JobId::generate(),
        owner: owner.id,
        owner_is_guest: false,
        model: "echo".to_owned(),
        task: "echo".to_owned(),
        priority: Priority::Normal,
        cost: 1,
        share_key: owner.id.to_string(),
        plan_weight: 1,
        running_cap: None,
        limits: ShareLimits::default(),
        token: None,
        input: format!("{{\"n\":{number}}}"),
        metadata: None,
        start_timeout: Duration::from_secs(3600),
        run_timeout: Duration::from_secs(60),
        retry_of: None,
        idempotency: None,
        trace: None,
    }
}

/// Stores the burst and rings for each of its jobs, as an API would. Past HTTP, which a small machine can't
/// take as fast.
async fn submit(fleet: &Fleet) {
    let lifecycle = Lifecycle::default();
    let db = Db::connect(&fleet.database_url())
        .await
        .expect("the fleet's database");
    let redis = Redis::connect(&fleet.redis.as_ref().expect("a Redis").url()).expect("its address");
    assert!(redis.connected_within(Duration::from_secs(10)).await);
    let doorbell = RedisDoorbell::start(&redis, &lifecycle);
    let owner = users::create(&db, "burst@example.org", Role::User).await;
    let owner = owner.expect("a user");
    let submitter = Submitter::start(db, &lifecycle, Duration::from_secs(60));
    let one = async |number| {
        let stored = submitter.submit(job(&owner, number)).await;
        let Ok(Submitted::Created(job)) = stored else {
            panic!("{stored:?}");
        };
        doorbell.ring("echo", job.id).await;
    };
    stream::iter(0..BURST).for_each_concurrent(AT_ONCE, one).await;
    lifecycle.stop(Duration::from_secs(5)).await;
}

fn used_memory(redis: &redis::Redis) -> i64 {
    redis.info("used_memory").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_20000_jobs_drains_without_a_stall() {
    let mut trial = Trial::begin("burst", |builder| builder.alone().apis(1)).await;
    let sql = trial.fleet.sql();
    let pids: Vec<u32> = trial.fleet.workers.iter().map(|worker| worker.pid()).collect();
    let before = used_memory(trial.fleet.redis_mut());
    let began = Instant::now();
    submit(&trial.fleet).await;
    let stored = began.elapsed();
    // All of it where there is time, else long enough to see that it flows.
    let enough = Duration::from_secs(sized(4, 600));
    let (draining, mut slowest) = (Instant::now(), u64::MAX);
    // Also where the fleet drains as fast as jobs come, and no window is left to look at.
    let mut memory = used_memory(trial.fleet.redis_mut());
    let mut newcomer = one_job(&trial.fleet).await;
    let mut ended = sql.number(ENDED).await;
    let at_first = ended;
    while draining.elapsed() < enough && ended < BURST as i64 {
        let (window, last) = (Instant::now(), ended);
        // A new user is not behind all the others.
        let alone = one_job(&trial.fleet).await;
        newcomer = newcomer.max(alone);
        while window.elapsed() < WINDOW && ended < BURST as i64 {
            sleep(Duration::from_millis(100)).await;
            memory = memory.max(used_memory(trial.fleet.redis_mut()));
            ended = sql.number(ENDED).await;
        }
        let some = u64::try_from(ended - last).expect("what has ended stays so");
        slowest = slowest.min(some);
    }
    let rate = (ended - at_first) as f64 / draining.elapsed().as_secs_f64();
    let rung = trial
        .fleet
        .redis_mut()
        .command(&["XLEN", "lamplighter:bell:echo"]);
    trial.scenario.report(&format_args!(
        "stored={BURST} in {stored:.1?}, ended={ended}, jobs_per_s={rate:.0} fewest_in_{WINDOW:?}={slowest} \
         newcomer_waits={newcomer:?} \
         redis_kib_before={} most={} doorbells_kept={rung:?}",
        before >> 10,
        memory >> 10
    ));
    assert!(slowest > 0, "nothing ended for {WINDOW:?}");
    assert!(newcomer < Duration::from_secs(10), "{newcomer:?}");
    assert!(memory - before < REDIS_MEMORY, "{memory} bytes, {before} before");
    assert!(rung.number().is_some_and(|rung| rung < 1_000), "{rung:?}");
    for (worker, pid) in trial.fleet.workers.iter_mut().zip(pids) {
        assert!(worker.is_running() && worker.pid() == pid, "{}", worker.name());
    }
    let failed = "SELECT count(*) FROM jobs WHERE state NOT IN ('queued', 'processing', 'succeeded')";
    assert_eq!(sql.number(failed).await, 0);
}

/// What somebody might do to a stream of doorbells.
const RUBBISH: [&[&str]; 7] = [
    &["XADD", "KEY", "*", "nonsense", "x"],
    &["XADD", "KEY", "*", "job", "not a job", "job", ""],
    &["XADD", "KEY", "*", "job", "job_00000000000000000000000000"],
    &["SET", "KEY", "a text"],
    &["RPUSH", "KEY", "a list"],
    &["HSET", "KEY", "a", "map"],
    // No id comes after this one.
    &[
        "XADD",
        "KEY",
        "18446744073709551615-18446744073709551615",
        "job",
        "x",
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_in_the_streams_stops_nobody() {
    let mut trial = Trial::begin("poisoned streams", |builder| builder).await;
    let pids: Vec<u32> = trial.fleet.workers.iter().map(|worker| worker.pid()).collect();
    let mut longest = Duration::ZERO;
    for key in ["lamplighter:bell:echo", "lamplighter:cancels"] {
        for command in RUBBISH {
            let words: Vec<&str> = command
                .iter()
                .map(|word| if *word == "KEY" { key } else { word })
                .collect();
            let redis = trial.fleet.redis_mut();
            if matches!(redis.command(&words), redis::Value::Error(_)) {
                // What is there does not take it: in its place, then.
                redis.command(&["DEL", key]);
                let answer = redis.command(&words);
                assert!(!matches!(answer, redis::Value::Error(_)), "{words:?}: {answer:?}");
            }
            longest = longest.max(one_job(&trial.fleet).await);
        }
    }
    // A large one.
    let large = "x".repeat(4 << 20);
    trial
        .fleet
        .redis_mut()
        .command(&["XADD", "lamplighter:bell:echo", "*", "job", &large]);
    longest = longest.max(one_job(&trial.fleet).await);
    let after = trial.round_trip().await;
    trial.scenario.report(&format_args!(
        "longest_with_rubbish={longest:?} afterwards={after:?}"
    ));
    // Idle workers look every 1.2 s at the latest.
    assert!(longest < Duration::from_secs(6), "{longest:?}");
    for (worker, pid) in trial.fleet.workers.iter_mut().zip(pids) {
        assert!(worker.is_running() && worker.pid() == pid, "{}", worker.name());
    }
    trial.settle(Duration::from_secs(10)).await.assert_clean();
}

async fn one_job(fleet: &Fleet) -> Duration {
    let (api, began) = (fleet.api(0), Instant::now());
    let job = api
        .post_job(&serde_json::json!({"model": "echo", "input": {}}))
        .await;
    assert_eq!(api.wait(&job).await["status"], "succeeded");
    began.elapsed()
}
