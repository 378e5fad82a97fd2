//! R6: Redis comes back with what it knew a while ago, from an old snapshot or as a replica that had lost
//! touch. It knows jobs as waiting that have ended, streams that went on, and a token as good that was
//! revoked. None of it may show.

use std::{fs, path::PathBuf, time::Duration};

use lamplighter_testkit::{
    history::History,
    load::{Client, Load},
    proxy::{Fault, Proxy},
    redis::{Options, Redis},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{judge::broken_streams, support::Trial};

/// What is forgotten: less than a positive entry of the cache lives.
const FORGOTTEN: Duration = Duration::from_secs(18);
/// So long after everybody has connected again, entries of the cache count again.
const QUARANTINE: Duration = Duration::from_secs(30);
/// The longest that connecting again takes.
const RECONNECT: Duration = Duration::from_secs(5);

/// A Redis that keeps an old state, to be put in the place of the real one.
pub enum Old {
    Snapshot(Vec<u8>),
    /// A replica, and the line to its master.
    Replica(Redis, Proxy),
}

impl Old {
    /// Keeps what Redis knows now.
    pub fn snapshot(redis: &Redis) -> Self {
        assert_eq!(redis.command(&["SAVE"]).text(), "OK");
        Self::Snapshot(fs::read(dump(redis)).expect("Redis has saved"))
    }

    /// A replica that is up to date.
    async fn replica(redis: &Redis) -> Self {
        let line = Proxy::start(redis.port());
        let port = line.port();
        let replica = Redis::start_with(Options {
            settings: vec![
                format!("replicaof 127.0.0.1 {port}"),
                "repl-diskless-sync-delay 0".to_owned(),
            ],
            ..Options::default()
        });
        let end = Instant::now() + Duration::from_secs(20);
        while replica.info("master_link_status") != "up" {
            assert!(Instant::now() < end, "the replica follows");
            sleep(Duration::from_millis(50)).await;
        }
        Self::Replica(replica, line)
    }

    /// From now on it hears no more.
    fn lose_touch(&self) {
        if let Self::Replica(_, line) = self {
            line.set(Fault::BlackHole);
        }
    }

    /// Puts it in the place of the real one, at the same port.
    pub async fn take_over(&self, redis: &mut Redis) {
        match self {
            Self::Snapshot(bytes) => {
                redis.kill9();
                fs::write(dump(redis), bytes).expect("its folder is ours");
                redis.restart();
            }
            Self::Replica(replica, _) => {
                redis.kill9();
                assert_eq!(replica.command(&["REPLICAOF", "NO", "ONE"]).text(), "OK");
                // The port of a killed server may be refused for a moment.
                let (end, port) = (Instant::now() + RECONNECT, redis.port().to_string());
                while replica.command(&["CONFIG", "SET", "port", &port]).text() != "OK" {
                    assert!(Instant::now() < end, "the replica takes the port");
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

fn dump(redis: &Redis) -> PathBuf {
    redis.folder().join("dump.rdb")
}

/// Jobs that tell something all the time, some of them from before what is forgotten until after it.
fn telling(number: usize, random: &mut StdRng) -> Value {
    let sleep = random.random_range(1_000..25_000);
    json!({"model": "echo", "input": {"n": number, "sleep_ms": sleep, "chunks": 40}})
}

/// Asks with a token, again and again, of all APIs; how often it was taken, and how often refused.
async fn ask(trial: &Trial, token: &str, time: Duration) -> (usize, usize) {
    let (end, mut taken, mut refused) = (Instant::now() + time, 0, 0);
    while Instant::now() < end {
        for api in trial.fleet.all_apis() {
            match api.with_token(token).get("/v1/jobs?limit=1").await.0.as_u16() {
                200 => taken += 1,
                401 => refused += 1,
                other => panic!("{other}: neither taken nor refused"),
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    (taken, refused)
}

/// Rings for jobs that have ended.
fn ring_again(trial: &mut Trial, jobs: &[String]) {
    for job in jobs {
        let words = [
            "XADD",
            "lamplighter:bell:echo",
            "MAXLEN",
            "~",
            "128",
            "*",
            "job",
            job,
        ];
        trial.fleet.redis_mut().command(&words);
    }
}

/// Entries of the cache that say that a token or a login is good.
pub fn good_proofs(redis: &Redis) -> usize {
    let keys = redis.command(&["KEYS", "lamplighter:cache:[ts]*:*"]);
    let good = |key: &&lamplighter_testkit::redis::Value| {
        redis.command(&["GET", &key.text()]).text().starts_with('+')
    };
    keys.list().iter().filter(good).count()
}

async fn nothing_old_shows(name: &str, replicate: bool) {
    let mut trial = Trial::begin(name, |builder| builder).await;
    let seed = trial.scenario.seed();
    let leaver = trial.fleet.create_token("leaver@example.org", &[]);
    let old = if replicate {
        Some(Old::replica(trial.fleet.redis_mut()).await)
    } else {
        None
    };
    let apis = trial.fleet.all_apis();
    let telling_load = Load {
        followed: 1.0,
        watched: 0.0,
        ..Load::new(apis.clone(), 40, 4.0, seed + 1)
    };
    let loads = [
        trial.echo_load(30 * 60, 30.0),
        tokio::spawn(telling_load.run(trial.history.clone(), telling)),
    ];
    // In this time tokens are looked up, jobs run, streams grow.
    let (taken, _) = ask(&trial, &leaver, Duration::from_secs(4)).await;
    assert!(taken > 0, "the token is good at first");
    let old = old.unwrap_or_else(|| Old::snapshot(trial.fleet.redis_mut()));
    old.lose_touch();
    let ended = trial.history.acknowledged();
    trial.history.fault("from here on Redis will know nothing");
    sleep(FORGOTTEN / 2).await;
    trial.fleet.run(&["token", "revoke", &leaver]);
    let (taken, _) = ask(&trial, &leaver, FORGOTTEN / 2).await;
    assert_eq!(taken, 0, "a token that was revoked just now");
    trial.history.fault("Redis goes back");
    old.take_over(trial.fleet.redis_mut()).await;
    let good = good_proofs(trial.fleet.redis_mut());
    let until_all_count = RECONNECT + QUARANTINE + Duration::from_secs(2);
    let (taken, refused) = ask(&trial, &leaver, until_all_count).await;
    ring_again(&mut trial, &ended);
    reopen(&trial.history, &apis, &ended).await;
    for load in loads {
        load.await.expect("a load ends well");
    }
    let verdict = trial.settle(Duration::from_secs(40)).await;
    let broken = broken_streams(&trial.history.entries());
    trial.scenario.report(&format!(
        "forgotten={FORGOTTEN:?} good_proofs_in_the_old={good} revoked_taken={taken} revoked_refused={refused} \
         broken_streams={} {verdict}",
        broken.len()
    ));
    verdict.assert_clean();
    assert_eq!(verdict.extra(), 0, "what was rung for again did not run again");
    assert_eq!(
        verdict.submits.taken, verdict.submits.tries,
        "Redis is no reason to refuse"
    );
    assert!(good >= 2, "the old Redis takes the token for good: {good}");
    assert_eq!(taken, 0, "a revoked token");
    assert!(broken.is_empty(), "{broken:?}");
}

/// Listens again to jobs that have ended: whatever an old stream still says, they end as they did.
async fn reopen(history: &std::sync::Arc<History>, apis: &[lamplighter_testkit::api::Api], jobs: &[String]) {
    for (number, job) in jobs.iter().rev().take(30).enumerate() {
        let mut client = Client {
            apis: apis.to_vec(),
            next: number,
            history: history.clone(),
            deadline: Instant::now() + Duration::from_secs(20),
        };
        client.follow(job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak"]
async fn r6_a_redis_from_an_old_snapshot_shows_nothing_old() {
    nothing_old_shows("R6 old snapshot", false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak"]
async fn r6_a_replica_that_had_lost_touch_shows_nothing_old() {
    nothing_old_shows("R6 stale replica", true).await;
}
