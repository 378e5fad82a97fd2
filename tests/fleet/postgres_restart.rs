//! R8: Postgres crashes and comes back, and is away for some seconds, under load.

use std::time::Duration;

use lamplighter_testkit::{
    fleet::Fleet,
    history::{Entry, History},
    load::Load,
    postgres::{Options, StopMode},
    scenario::sized,
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    judge::{Answers, broken_streams, unix_ms},
    support::Trial,
};

/// Short leases: what a claim whose answer was lost holds is free soon.
const CONFIG: &str = "[jobs]\nlease_seconds = 4\nheartbeat_seconds = 1\nreap_confirm_seconds = 2\n";
/// How long the fleet may need to be its old self once Postgres is back: half a second where nothing else is
/// to do.
const BACK: Duration = Duration::from_secs(5);

/// A time without Postgres, on the history's clock.
struct Outage {
    from: Duration,
    to: Duration,
    /// Its end as the database tells time.
    up_ms: i64,
}

/// Jobs that run through most of an outage, with something to tell.
fn long(number: usize, random: &mut StdRng) -> Value {
    let sleep = random.random_range(1000..4000);
    json!({"model": "echo", "input": {"n": number, "sleep_ms": sleep, "chunks": 5}})
}

async fn outage(fleet: &mut Fleet, history: &History, length: Duration) -> Outage {
    let from = history.now();
    history.fault("postgres stops");
    fleet.postgres_mut().stop(StopMode::Immediate);
    sleep(length).await;
    fleet.postgres_mut().start_again();
    history.fault("postgres is back");
    Outage {
        from,
        to: history.now(),
        up_ms: unix_ms(),
    }
}

/// Some crashes, and one longer time away.
async fn outages(trial: &mut Trial) -> Vec<Outage> {
    let (mut random, history) = (trial.scenario.random(), trial.history.clone());
    let long = sized(Duration::from_millis(2500), Duration::from_secs(30));
    let mut lengths = vec![Duration::ZERO; sized(3, 10)];
    lengths.push(long);
    let mut outages = Vec::new();
    for length in lengths {
        sleep(Duration::from_millis(random.random_range(300..800))).await;
        outages.push(outage(&mut trial.fleet, &history, length).await);
    }
    outages
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_of_postgres_lose_nothing() {
    let mut trial = Trial::begin("R8 postgres restarts", |builder| {
        builder.own_postgres(Options::default()).config(CONFIG)
    })
    .await;
    let seed = trial.scenario.seed();
    let (history, apis) = (trial.history.clone(), trial.fleet.all_apis());
    let many = Load {
        followed: 0.2,
        ..Load::new(apis.clone(), sized(300, 3000), sized(40.0, 50.0), seed)
    };
    let few = Load {
        followed: 1.0,
        watched: 0.0,
        ..Load::new(apis.clone(), sized(12, 60), sized(2.0, 1.0), seed + 1)
    };
    let loads = [
        tokio::spawn(many.run(history.clone(), Load::echo)),
        tokio::spawn(few.run(history.clone(), long)),
    ];
    let outages = outages(&mut trial).await;
    for load in loads {
        load.await.expect("a load ends well");
    }
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let entries = history.entries();
    let answers = Answers::of(&entries, |_, _| true);
    let taking = outages.iter().enumerate().map(|(number, outage)| {
        let next = outages.get(number + 1).map_or(Duration::MAX, |next| next.from);
        submits_back_after(&entries, outage, next)
    });
    let taking = taking.max().expect("there were outages");
    let ending = ends_back_after(&trial.fleet, outages.last().expect("there were outages")).await;
    let broken = broken_streams(&entries);
    let kept: usize = trial
        .fleet
        .workers
        .iter()
        .map(|w| w.log().matches("ends of runs could not be written").count())
        .sum();
    let away: Duration = outages.iter().map(|outage| outage.to - outage.from).sum();
    trial.scenario.report(&format!(
        "restarts={} away={away:.1?} {verdict} {answers} submits_back={taking:.1?} ends_back={ending:.1?} \
         ends_kept={kept} broken_streams={}",
        outages.len(),
        broken.len(),
    ));
    verdict.assert_clean();
    assert_eq!(verdict.states.get("succeeded"), Some(&verdict.acknowledged));
    assert!(answers.wrong.is_empty(), "{answers}");
    assert!(answers.later > 0, "nobody noticed that Postgres was away");
    // A second is the longest wait for a connection.
    assert!(answers.slowest_refusal < Duration::from_secs(8), "{answers}");
    assert!(taking <= BACK && ending <= BACK, "{taking:?} {ending:?}");
    assert!(broken.is_empty(), "{broken:?}");
}

/// How long after the end of an outage clients were still told to come again.
fn submits_back_after(entries: &[Entry], outage: &Outage, next: Duration) -> Duration {
    let between = |_: usize, entry: &Entry| entry.began >= outage.to && entry.ended < next;
    let last = Answers::of(entries, between).last_not_good;
    last.map_or(Duration::ZERO, |last| last - outage.to)
}

/// How long after the last outage the first job ended.
async fn ends_back_after(fleet: &Fleet, outage: &Outage) -> Duration {
    let sql = format!(
        "SELECT coalesce(min(completed_at), 0) - {0} FROM jobs WHERE completed_at >= {0}",
        outage.up_ms
    );
    let first = fleet.sql().number(&sql).await;
    Duration::from_millis(u64::try_from(first).expect("jobs ended after Postgres was back"))
}
