//! Fairness through the whole platform: somebody's 2,000 waiting jobs delay another user's single job by
//! at most two batches. (The same at the level of the statements, and many users at once, stand with
//! `shared`.)

use std::{fs, time::Instant};

use lamplighter_testkit::{api::Api, server::Options};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Jobs in a batch; also what runs at once, as a member of `echo` ends on its own.
const BATCH: usize = 8;
/// Jobs that wait when the other user comes.
const WAITING: usize = 2000;
/// Single jobs of the other user, one after the other.
const SINGLES: usize = 5;

/// The `echo` of this test: small batches.
const CATALOG: &str = r#"
[[model]]
id = "echo"
task = "echo"
family = "echo"
license = "MIT"
default = true

[model.limits]
max_batch_jobs = 8
"#;

/// Submits jobs with many connections.
async fn submit(api: &Api, count: usize, body: Value) {
    let senders: tokio::task::JoinSet<_> = (0..32)
        .map(|sender| {
            let (api, body) = (api.clone(), body.clone());
            async move {
                for _ in (sender..count).step_by(32) {
                    api.post_job(&body).await;
                }
            }
        })
        .collect();
    senders.join_all().await;
}

/// All pages of a list.
async fn list(api: &Api, query: &str) -> Vec<Value> {
    let (mut jobs, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = api.get(&format!("/v1/jobs?limit=100{query}{cursor}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        jobs.extend(page["data"].as_array().expect("a page").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return jobs,
        }
    }
}

/// How many of `jobs` have a time (all are written alike, so they compare as text) within these two.
fn between(jobs: &[Value], field: &str, from: &Value, to: &Value) -> usize {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (from, to) = (text(from), text(to));
    let times = jobs.iter().filter_map(|job| job[field].as_str());
    times
        .filter(|time| *time > from.as_str() && *time <= to.as_str())
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_one_user_delays_another_by_at_most_two_batches() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("models.toml"), CATALOG).expect("written");
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
        .data_dir(folder.path())
        .start()
        .await;
    let user = |email: &str| server.api_as(&server.create_token(email, &["jobs:read", "jobs:write"]));
    let (greedy, modest) = (user("greedy@example.com"), user("modest@example.com"));
    let started = Instant::now();
    // So slow that few of the jobs end while the others are submitted and the singles come and go.
    submit(
        &greedy,
        WAITING + 500,
        json!({"model": "echo", "input": {"sleep_ms": 400}}),
    )
    .await;
    let submitted = started.elapsed();

    let mut singles = Vec::new();
    for _ in 0..SINGLES {
        let request = modest
            .request(Method::POST, "/v1/jobs")
            .header("prefer", "wait=30");
        let body = json!({"model": "echo", "input": {"sleep_ms": 20}});
        let response = request.json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "it ends within the wait");
        singles.push(response.json::<Value>().await.expect("a job"));
    }
    let (_, waiting) = greedy.get("/v1/jobs?status=queued&limit=1").await;
    let position = waiting["data"][0]["queue"]["position"].clone();

    let done = list(&greedy, "&status=succeeded").await;
    let worst = |field: &str| {
        let delays = singles
            .iter()
            .map(|job| between(&done, field, &job["created_at"], &job[field]));
        delays.max().unwrap_or_default()
    };
    // Starts say how many went ahead; ends also count those in hand when the single came.
    let (ahead, ended) = (worst("started_at"), worst("completed_at"));
    let queue_ms: Vec<_> = singles
        .iter()
        .map(|job| job["metrics"]["queue_ms"].clone())
        .collect();
    println!(
        "{} jobs of one user ({} had run, the last of them at position {position}): a single job of another saw \
         {ahead} start ahead of it and {ended} end before it did, batches of {BATCH}; waited {queue_ms:?} ms; \
         submitted in {submitted:?}, {:?} in all",
        WAITING + 500,
        done.len(),
        started.elapsed()
    );
    assert!(
        done.len() < 500,
        "{WAITING} were waiting all the time: {} had run",
        done.len()
    );
    assert!(ahead <= 2 * BATCH, "{ahead} jobs started ahead");
    assert!(
        ended <= 2 * BATCH + BATCH,
        "{ended} jobs ended before: two batches and what was in hand"
    );
}
