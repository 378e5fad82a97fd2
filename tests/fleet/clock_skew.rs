//! R17: the clocks of some machines are an hour off, and jump while jobs run. Only the database's clock decides.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lamplighter_testkit::{fleet::Builder, load::Load, scenario::sized};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{judge::unix_ms, support::Trial};

/// The longest that a token is taken after it has expired: what a cache may say without asking.
const CACHED: i64 = 30_000;
/// So long the token of the test is good: until it is taken from the cache, which is not trusted in the first
/// half minute of a connection.
const GOOD_FOR: Duration = Duration::from_secs(38);

/// The library that tells a process another time.
fn library() -> PathBuf {
    let names = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    names
        .iter()
        .map(|folder| Path::new(folder).join("faketime/libfaketime.so.1"))
        .find(|library| library.is_file())
        .expect("libfaketime is not installed: install the package `faketime`, for example `apt-get install faketime`")
}

/// A clock that some processes go by; the file says how wrong it is.
pub fn wrong_clock(builder: Builder, node: &str, file: &Path) -> Builder {
    builder
        .env_of(node, "LD_PRELOAD", library())
        .env_of(node, "FAKETIME_TIMESTAMP_FILE", file)
        // Only what people call the time; how long something takes is measured rightly.
        .env_of(node, "FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env_of(node, "FAKETIME_CACHE_DURATION", "1")
}

/// Jobs that outlast several renewals of their leases.
fn lasting(number: usize, random: &mut StdRng) -> Value {
    let sleep = random.random_range(3_000..9_000);
    json!({"model": "echo", "input": {"n": number, "sleep_ms": sleep, "chunks": 10}})
}

/// How one token fared at all APIs.
#[derive(Default)]
struct Uses {
    taken: usize,
    /// On the machine's right clock.
    last_taken: i64,
    refused: usize,
    first_refused: Option<i64>,
}

/// Asks with a token until told to stop.
async fn use_token(apis: Vec<lamplighter_testkit::api::Api>, token: String, stop: Arc<AtomicBool>) -> Uses {
    let mut uses = Uses::default();
    while !stop.load(Ordering::Relaxed) {
        for api in &apis {
            let asked = unix_ms();
            match api.with_token(&token).get("/v1/jobs?limit=1").await.0.as_u16() {
                200 => {
                    uses.taken += 1;
                    uses.last_taken = asked;
                }
                401 => {
                    uses.refused += 1;
                    uses.first_refused.get_or_insert(unix_ms());
                }
                other => panic!("{other}: neither taken nor refused"),
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    uses
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak"]
async fn r17_clocks_that_are_wrong_and_jump_decide_nothing() {
    let folder = tempfile::tempdir_in(env::temp_dir()).expect("a folder");
    let (fast, slow) = (folder.path().join("fast"), folder.path().join("slow"));
    fs::write(&fast, "+1h\n").expect("a file");
    fs::write(&slow, "-1h\n").expect("a file");
    let plan = |builder: Builder| {
        let builder = wrong_clock(builder, "api-0", &fast);
        wrong_clock(builder, "worker-0", &slow)
    };
    let mut trial = Trial::begin("R17 clock skew", plan).await;
    let (began, seconds) = (Instant::now(), sized(50.0, 180.0));
    let apis = trial.fleet.all_apis();
    let long = Load::new(
        apis.clone(),
        (seconds * 2.0) as usize,
        2.0,
        trial.scenario.seed() + 1,
    );
    let loads = [
        trial.echo_load((seconds * 20.0) as usize, 20.0),
        tokio::spawn(long.run(trial.history.clone(), lasting)),
    ];
    let short = trial.fleet.create_token("guest@example.org", &[]);
    let sql = trial.fleet.sql();
    let expires = unix_ms() + i64::try_from(GOOD_FOR.as_millis()).expect("a few seconds");
    let guest = "(SELECT id FROM users WHERE email = 'guest@example.org')";
    sql.query(&format!(
        "UPDATE api_tokens SET expires_at = {expires} WHERE user_id = {guest}"
    ))
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let users = [short, trial.fleet.token().to_owned()]
        .map(|token| tokio::spawn(use_token(apis.clone(), token, stop.clone())));
    for (at, fast_is, slow_is) in [(0.4, "-1h\n", "+1h\n"), (0.7, "+1h\n", "-1h\n")] {
        sleep(Duration::from_secs_f64(seconds * at).saturating_sub(began.elapsed())).await;
        fs::write(&fast, fast_is).expect("a file");
        fs::write(&slow, slow_is).expect("a file");
        trial
            .history
            .fault(format!("clocks jump: {fast_is:?} {slow_is:?}"));
    }
    for load in loads {
        load.await.expect("a load ends well");
    }
    stop.store(true, Ordering::Relaxed);
    let [short, owner] = users.map(|user| async { user.await.expect("a user ends well") });
    let (short, owner) = (short.await, owner.await);
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let losses = sql
        .number("SELECT coalesce(sum(lease_losses), 0) FROM jobs")
        .await;
    let logs = [trial.fleet.apis[0].log(), trial.fleet.workers[0].log()];
    // The wrong clocks work at all: the logs have their times.
    let wrong = logs.iter().filter(|log| is_hours_off(log)).count();
    let late = short.last_taken - expires;
    let early = short.first_refused.map_or(0, |first| (expires - first).max(0));
    trial.scenario.report(&format!(
        "processes_with_wrong_clocks={wrong} spurious_reaps={losses} expired_taken_for_ms={} refused_early_ms={early} \
         expired_refused={} valid_taken={} valid_refused={} {verdict}",
        late.max(0),
        short.refused,
        owner.taken,
        owner.refused,
    ));
    verdict.assert_clean();
    assert_eq!(
        (losses, verdict.extra()),
        (0, 0),
        "leases that were taken too early"
    );
    assert_eq!(wrong, 2, "the clocks are wrong");
    assert!(
        late <= CACHED && short.refused > 0,
        "an expired token was taken for {late} ms"
    );
    assert_eq!((early, owner.refused), (0, 0), "good tokens are good");
}

/// Whether the first line of a log was written at another hour than it is.
pub fn is_hours_off(log: &str) -> bool {
    let minutes = |text: &str| -> Option<i64> {
        let (hours, rest) = text.split_once(':')?;
        Some(hours.parse::<i64>().ok()? * 60 + rest.get(..2)?.parse::<i64>().ok()?)
    };
    let said = log.split_once('T').and_then(|(_, time)| minutes(time.get(..5)?));
    let now = unix_ms() / 60_000 % (24 * 60);
    // An hour off, in either direction, around midnight too; a test does not last half an hour.
    said.is_some_and(|said| (now - said).rem_euclid(24 * 60) > 30)
}
