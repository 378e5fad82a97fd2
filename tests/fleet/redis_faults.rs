//! R5 and R7: Redis is killed, emptied, away or silent under load. It carries hints only: nobody is refused,
//! nothing is lost, and workers go on by looking themselves.

use std::time::{Duration, Instant};

use lamplighter_testkit::{checker::Verdict, load::Load, postgres::Sql, redis, scenario::sized};
use reqwest::Method;
use tokio::time::sleep;

use crate::support::Trial;

/// The oldest waiting job while Redis comes and goes.
const OLDEST: Duration = Duration::from_secs(5);

/// Looks at the age of the oldest waiting job for a while; the highest.
async fn oldest_for(sql: &Sql, time: Duration) -> Duration {
    let text = "SELECT coalesce(max((extract(epoch FROM clock_timestamp()) * 1000)::bigint - created_at), 0)
        FROM jobs WHERE state = 'queued'";
    let (began, mut oldest) = (Instant::now(), 0);
    while began.elapsed() < time {
        oldest = oldest.max(sql.number(text).await);
        sleep(Duration::from_millis(100)).await;
    }
    Duration::from_millis(oldest.unsigned_abs())
}

/// The wait between submit and claim that this part of the jobs kept.
async fn waited(sql: &Sql, part: f64) -> Duration {
    let text = format!(
        "SELECT coalesce(percentile_disc({part}) WITHIN GROUP (ORDER BY started_at - created_at), 0) FROM jobs"
    );
    Duration::from_millis(sql.number(&text).await.unsigned_abs())
}

fn everybody_was_served(verdict: &Verdict, jobs: usize) {
    verdict.assert_clean();
    let submits = &verdict.submits;
    assert_eq!(
        (submits.taken, submits.tries),
        (jobs, jobs),
        "submits that were not taken at once"
    );
    assert_eq!(verdict.count("succeeded"), jobs);
}

fn pids(trial: &mut Trial) -> Vec<(u32, bool)> {
    let workers = trial.fleet.workers.iter_mut();
    workers
        .map(|worker| (worker.pid(), worker.is_running()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_redis_that_is_killed_and_emptied_costs_nobody_anything() {
    let options = redis::Options {
        append_only: true,
        ..redis::Options::default()
    };
    let mut trial = Trial::begin("R5 Redis restart", |builder| {
        builder.alone().redis(options).workers(sized(2, 4))
    })
    .await;
    let before = trial.round_trip().await;
    let workers = pids(&mut trial);
    let (rounds, rate) = sized((2, 60.0), (10, 200.0));
    let pause = Duration::from_millis(sized(900, 3000));
    let jobs = (rate * (pause * rounds * 4).as_secs_f64()) as usize;
    let load = trial.echo_load(jobs, rate);
    let sql = trial.fleet.sql();
    let mut oldest = Duration::ZERO;
    for round in 0..rounds * 2 {
        let emptied = round % 2 == 1;
        if emptied {
            trial.fleet.redis_mut().command(&["FLUSHALL"]);
        }
        trial.fleet.redis_mut().kill9();
        trial.history.fault(format!("Redis killed, emptied: {emptied}"));
        oldest = oldest.max(oldest_for(&sql, pause).await);
        if emptied {
            trial.fleet.redis_mut().restart_empty();
        } else {
            trial.fleet.redis_mut().restart();
        }
        trial.history.fault("Redis is back");
        oldest = oldest.max(oldest_for(&sql, pause).await);
    }
    load.await.expect("the load ends well");
    let verdict = trial.settle(Duration::from_secs(30)).await;
    // Reconnecting backs off up to 5 s.
    let (back, healed) = (Instant::now(), OLDEST);
    let mut after = trial.round_trip().await;
    while after > healthy(before) && back.elapsed() < healed {
        after = trial.round_trip().await;
    }
    trial.scenario.report(&format_args!(
        "{verdict} oldest_waiting={oldest:?} round_trip_before={before:?} after={after:?}"
    ));
    everybody_was_served(&verdict, jobs);
    assert_eq!(pids(&mut trial), workers, "the same workers as before");
    assert!(oldest <= OLDEST, "{oldest:?}");
    assert!(
        after <= healthy(before),
        "the doorbells ring again: {before:?} before, {after:?} now"
    );
}

/// A round trip that needs no look of an idle worker, which comes every second.
fn healthy(before: Duration) -> Duration {
    (before * 5).max(Duration::from_millis(250))
}

/// What happens to Redis, and what ends it.
async fn without_redis(name: &str, away: fn(&mut redis::Redis), back: fn(&mut redis::Redis)) {
    let mut trial = Trial::begin(name, |builder| builder.alone()).await;
    let rate = sized(60.0, 100.0);
    let (healthy_for, away_for) = (
        Duration::from_secs(sized(2, 10)),
        Duration::from_secs(sized(5, 60)),
    );
    let revoked = trial.fleet.create_token("revoked@example.org", &[]);
    let owner = trial.fleet.api(0);
    assert_eq!(owner.with_token(&revoked).get("/v1/jobs").await.0, 200);

    let jobs = (rate * healthy_for.as_secs_f64()) as usize;
    trial.echo_load(jobs, rate).await.expect("the load ends well");
    let baseline = Verdict::of(&trial.history.entries(), &[]).submits.quantile(0.99);
    away(trial.fleet.redis_mut());
    trial.history.fault("Redis is away");
    let since = trial.history.now();
    let sql = trial.fleet.sql();
    let jobs_away = (rate * away_for.as_secs_f64()) as usize;
    let mut load = Load::new(trial.fleet.all_apis(), jobs_away, rate, trial.scenario.seed() + 1);
    load.followed = 0.2;
    let load = tokio::spawn(load.run(trial.history.clone(), Load::echo));
    trial.fleet.run(&["token", "revoke", &revoked]);
    for number in 0..trial.fleet.apis.len() {
        let (status, _) = trial.fleet.api_as(number, &revoked).get("/v1/jobs").await;
        assert_eq!(status.as_u16(), 401, "API {number} takes a revoked token");
        let (status, _) = trial.fleet.api_as(number, "lmp_nonsense").get("/v1/jobs").await;
        assert_eq!(status.as_u16(), 401);
        let (status, _) = trial.fleet.api(number).call(Method::GET, "/readyz", None).await;
        assert_eq!(status.as_u16(), 200, "API {number} can go on without Redis");
    }
    load.await.expect("the load ends well");
    let waited = waited(&sql, 0.99).await;
    let mut entries = trial.history.entries();
    entries.retain(|entry| entry.began >= since);
    let p99 = Verdict::of(&entries, &[]).submits.quantile(0.99);
    back(trial.fleet.redis_mut());
    trial.history.fault("Redis is back");
    let verdict = trial.settle(Duration::from_secs(30)).await;
    trial.scenario.report(&format_args!(
        "{verdict} submit_p99_before={baseline:?} away={p99:?} waited_p99={waited:?}"
    ));
    everybody_was_served(&verdict, jobs + jobs_away);
    // Workers look every 1.2 s at the latest.
    assert!(waited <= Duration::from_secs(6), "{waited:?}");
    // The first to find Redis silent wait for it, a fifth of a second each; a busy machine adds to that.
    assert!(p99 <= baseline * 3 + Duration::from_secs(1), "{p99:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_the_fleet_goes_on_while_redis_is_down() {
    without_redis("R7 Redis down", redis::Redis::kill9, redis::Redis::restart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_the_fleet_goes_on_while_redis_is_silent() {
    without_redis("R7 Redis silent", |redis| redis.pause(), |redis| redis.resume()).await;
}
