//! What a client sees of data that are kept for a while only, and of a database that is away.

mod support;

use std::time::{Duration, Instant};

use lamplighter_shared::db::{Db, DbOptions, finish::Outcome, retention::housekeeping};
use lamplighter_testkit::postgres::{Options, Postgres, StopMode};
use poem::http::StatusCode;
use serde_json::{Value, json};
use support::World;

/// Seconds between two times of a view.
fn seconds(from: &Value, to: &Value) -> f64 {
    let read = |value: &Value| {
        let text = value.as_str().unwrap_or_else(|| panic!("{value} is a time"));
        time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
            .unwrap_or_else(|e| panic!("{text}: {e}"))
    };
    (read(to) - read(from)).as_seconds_f64()
}

#[tokio::test]
async fn a_job_tells_until_when_it_waits_and_when_its_data_go() {
    let world = World::new().await;
    let id = world.echo().await;
    let path = format!("/v1/jobs/{id}");
    let queued = world.get(&path).await.json();
    assert_eq!(seconds(&queued["created_at"], &queued["deadline"]), 86_400.0);
    assert!(queued.get("expires_at").is_none(), "{queued}");
    let run = world.claim().await;
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 0).await;
    let done = world.get(&path).await.json();
    assert_eq!(
        seconds(&done["completed_at"], &done["expires_at"]),
        7.0 * 86_400.0
    );
}

#[tokio::test]
async fn data_that_were_removed_are_gone_and_the_job_says_so() {
    // A hundredth of a second; the row stays.
    let world = World::with(|config| config.retention.results_days = 0.01 / 86_400.0).await;
    let id = world.echo().await;
    let path = format!("/v1/jobs/{id}");
    let run = world.claim().await;
    world
        .finish(run, Outcome::Succeeded(r#"{"a":1}"#.to_owned()), 0)
        .await;
    assert_eq!(world.get(&path).await.json()["output"], json!({"a": 1}));
    let end = Instant::now() + Duration::from_secs(10);
    while housekeeping(&world.state.db, &world.state.config.retention)
        .await
        .expect("housekeeping")
        .results
        == 0
    {
        assert!(Instant::now() < end, "the result is never removed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let job = world.get(&path).await.json();
    assert_eq!(
        (&job["status"], &job["data_removed"]),
        (&json!("succeeded"), &json!(true))
    );
    assert!(job["output"].is_null() && job["input"].is_null(), "{job}");
    let retry = world.post(&format!("{path}/retry")).await;
    assert_eq!(
        (retry.status, &retry.json()["code"]),
        (StatusCode::GONE, &json!("data_removed"))
    );
}

/// Whatever is asked while Postgres is away or frozen: 503, soon, and when to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_the_api_says_when_to_come_again() {
    let mut postgres = Postgres::start_with(&Options {
        fsync: false,
        ..Options::default()
    });
    let (_, url) = postgres.create_database();
    let options = DbOptions {
        timeout: Duration::from_secs(1),
        ..DbOptions::default()
    };
    let db = Db::connect_with(&url, &options).await.expect("connect");
    db.migrate().await.expect("migrate");
    let world = World::on(db).await;
    let id = world.echo().await;
    let ask = async || {
        let mut answers = Vec::new();
        for what in ["get", "list", "submit", "cancel"] {
            let start = Instant::now();
            let read = match what {
                "get" => world.get(&format!("/v1/jobs/{id}")).await,
                "list" => world.get("/v1/jobs").await,
                "cancel" => world.post(&format!("/v1/jobs/{id}/cancel")).await,
                _ => world.submit(&json!({"model": "echo", "input": {}})).await,
            };
            answers.push((what, read, start.elapsed()));
        }
        answers
    };
    for away in ["stopped", "frozen"] {
        if away == "stopped" {
            postgres.stop(StopMode::Immediate);
        } else {
            postgres.pause();
        }
        let answers = ask().await;
        if away == "stopped" {
            postgres.start_again();
        } else {
            postgres.resume();
        }
        for (what, read, took) in answers {
            println!("{away}: {what} is answered {} after {took:?}", read.status);
            assert_eq!(
                read.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{away}: {what}: {}",
                read.text
            );
            assert!(
                ["2", "3"].contains(&read.header("retry-after")),
                "{what}: {read:?}"
            );
            // A second for a connection, or a second for an answer; the rest is a slow machine's.
            assert!(took < Duration::from_secs(4), "{away}: {what}: {took:?}");
        }
    }
    let end = Instant::now() + Duration::from_secs(10);
    while world.get("/v1/jobs").await.status != StatusCode::OK {
        assert!(Instant::now() < end, "it never answers again");
    }
}
