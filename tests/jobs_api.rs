//! The promises of the jobs API that need a real worker: waiting, repeating, deleting, and lists that
//! hold each job once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lamplighter_testkit::server::{Options, Server};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn server() -> Server {
    Options::new(env!("CARGO_BIN_EXE_lamplighter")).start().await
}

fn echo(input: Value) -> Value {
    json!({"model": "echo", "input": input})
}

/// Submits with a preference.
async fn prefer(server: &Server, preference: &str, input: Value) -> (Response, Duration) {
    let started = Instant::now();
    let request = server
        .request(Method::POST, "/v1/jobs")
        .header("prefer", preference);
    let response = request.json(&echo(input)).send().await.expect("an answer");
    (response, started.elapsed())
}

fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or(String::new(), |v| v.to_str().expect("text").to_owned())
}

async fn status_and_code(server: &Server, method: Method, path: &str) -> (u16, String) {
    let (status, body) = server.call(method, path, None).await;
    (
        status.as_u16(),
        body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

fn address(job: &Value) -> String {
    format!(
        "/v1/jobs/{}",
        job["id"].as_str().unwrap_or_else(|| panic!("no job: {job}"))
    )
}

#[tokio::test]
async fn waiting_ends_with_the_job_or_with_the_time() {
    let server = server().await;
    // (preference, sleep of the job in ms, status, what was applied, the answer's time in ms)
    let cases = [
        ("wait=30", 100, 200, "wait=30", 0..20_000),
        ("wait=1", 3000, 202, "wait=1", 1000..2900),
        ("wait", 50, 200, "wait=60", 0..20_000),
        ("wait=3600", 50, 200, "wait=60", 0..20_000),
        ("respond-async, wait=1", 3000, 202, "wait=1", 1000..2900),
        ("respond-async", 1500, 202, "respond-async", 0..1400),
        ("wait=0", 1500, 202, "", 0..1400),
        ("wait=soon", 1500, 202, "", 0..1400),
        ("handling=strict", 1500, 202, "", 0..1400),
    ];
    for (preference, sleep_ms, status, applied, within) in cases {
        let (response, took) = prefer(&server, preference, json!({"sleep_ms": sleep_ms})).await;
        assert_eq!(response.status().as_u16(), status, "{preference}");
        assert_eq!(header(&response, "preference-applied"), applied, "{preference}");
        assert_eq!(
            header(&response, "retry-after").is_empty(),
            status == 200,
            "{preference}"
        );
        let location = header(&response, "location");
        let job: Value = response.json().await.expect("a job");
        assert_eq!(location, address(&job));
        assert_eq!(job["status"] == "succeeded", status == 200, "{preference}: {job}");
        assert_eq!(job.get("output").is_some(), status == 200, "{preference}: {job}");
        assert!(within.contains(&took.as_millis()), "{preference}: {took:?}");
    }
    // A job that fails has ended too.
    let (response, _) = prefer(&server, "wait=30", json!({"fail": "on purpose"})).await;
    assert_eq!(response.status().as_u16(), 200);
    let job: Value = response.json().await.expect("a job");
    assert_eq!(
        (&job["status"], &job["error"]["type"]),
        (&json!("failed"), &json!("model_error"))
    );
}

#[tokio::test]
async fn a_key_gives_the_same_job_whoever_is_faster() {
    let server = server().await;
    let submit = |key: String| {
        let request = server
            .request(Method::POST, "/v1/jobs")
            .header("idempotency-key", key);
        let body = echo(json!({"sleep_ms": 50}));
        async move { request.json(&body).send().await.expect("an answer") }
    };
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..200 {
        requests.spawn(submit(format!("\"key-{}\"", number % 10)));
    }
    let (mut ids, mut replayed) = (BTreeSet::new(), 0);
    while let Some(response) = requests.join_next().await {
        let response = response.expect("no panic");
        assert_eq!(response.status().as_u16(), 202);
        replayed += usize::from(header(&response, "idempotent-replayed") == "true");
        let job: Value = response.json().await.expect("a job");
        ids.insert(job["id"].as_str().expect("an id").to_owned());
    }
    println!("200 requests, 10 keys: {} jobs, {replayed} replayed", ids.len());
    assert_eq!((ids.len(), replayed), (10, 190));
    let (_, page) = server.get("/v1/jobs?limit=100").await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn a_finished_job_can_be_repeated_and_deleted_and_no_other() {
    let server = server().await;
    let notes = json!({"model": "echo", "input": {"a": [1, {"b": null}]}, "priority": "low",
        "timeout": {"run_seconds": 7, "start_seconds": 77}, "metadata": {"note": "é"}});
    let job = server.post_job(&notes).await;
    let job = server.wait(&job).await;

    let retry = format!("{}/retry", address(&job));
    let request = server.request(Method::POST, &retry).header("prefer", "wait=30");
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status().as_u16(), 200);
    let again: Value = response.json().await.expect("a job");
    assert_eq!(again["retry_of"], job["id"]);
    assert_ne!(again["id"], job["id"]);
    for same in [
        "model", "input", "output", "priority", "timeout", "metadata", "status",
    ] {
        assert_eq!(again[same], job[same], "{same}");
    }

    let running = server.post_job(&echo(json!({"sleep_ms": 600_000}))).await;
    let path = address(&running);
    let active = (409, "job_active".to_owned());
    assert_eq!(
        status_and_code(&server, Method::POST, &format!("{path}/retry")).await,
        active
    );
    assert_eq!(status_and_code(&server, Method::DELETE, &path).await, active);
    let (status, _) = server.call(Method::POST, &format!("{path}/cancel"), None).await;
    assert!(matches!(status.as_u16(), 200 | 202), "{status}");
    let canceled = server.wait(&running).await;
    assert_eq!(canceled["status"], "canceled");
    // Canceling what is canceled is no fault; what has ended otherwise can't be canceled.
    assert_eq!(
        status_and_code(&server, Method::POST, &format!("{path}/cancel"))
            .await
            .0,
        200
    );
    let finished = (409, "job_finished".to_owned());
    let cancel = format!("{}/cancel", address(&job));
    assert_eq!(status_and_code(&server, Method::POST, &cancel).await, finished);

    let gone = (404, "not_found".to_owned());
    for path in [&path, &address(&job)] {
        assert_eq!(status_and_code(&server, Method::DELETE, path).await.0, 204);
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::DELETE, path.clone()),
            (Method::POST, format!("{path}/retry")),
            (Method::POST, format!("{path}/cancel")),
            (Method::GET, format!("{path}/events")),
        ] {
            assert_eq!(status_and_code(&server, method, &path).await, gone, "{path}");
        }
    }
    // The repetition does not need the first any more.
    assert_eq!(
        server.get_job(again["id"].as_str().expect("an id")).await["output"],
        job["output"]
    );
}

/// Submits jobs at once; each fifth will fail.
async fn submit_many(server: &Server, count: usize) -> Vec<Value> {
    let jobs = (0..count).map(|number| async move {
        let input = if number % 5 == 0 {
            json!({"fail": "x"})
        } else {
            json!({})
        };
        server.post_job(&echo(input)).await
    });
    futures::future::join_all(jobs).await
}

/// Walks through all pages; the ids in the order they came.
async fn walk(server: &Server, query: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = server.get(&format!("/v1/jobs?{query}{cursor}")).await;
        assert_eq!(status.as_u16(), 200, "{page}");
        let data = page["data"].as_array().expect("a page");
        ids.extend(
            data.iter()
                .map(|job| job["id"].as_str().expect("an id").to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn pages_hold_every_job_once_though_jobs_come_and_end_meanwhile() {
    let server = server().await;
    let jobs = submit_many(&server, 250).await;
    let (ids, ()) = tokio::join!(walk(&server, "limit=7"), async {
        submit_many(&server, 50).await;
    });
    let unique: BTreeSet<_> = ids.iter().cloned().collect();
    let missing = jobs
        .iter()
        .filter(|job| !unique.contains(job["id"].as_str().expect("an id")));
    let (missing, repeated) = (missing.count(), ids.len() - unique.len());
    println!("250 jobs in pages of 7 while 50 more came: missing {missing}, repeated {repeated}");
    assert_eq!((missing, repeated), (0, 0));
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first");

    for job in &jobs {
        server.wait(job).await;
    }
    for (query, want) in [
        ("status=failed&limit=9", 50 + 10),
        ("status=succeeded&limit=100", 200 + 40),
        ("model=echo&limit=100", 300),
        ("model=minilm", 0),
        ("task=echo&limit=9", 300),
        ("task=text-embedding", 0),
        ("status=canceled", 0),
        ("status=failed&model=echo&limit=100", 60),
    ] {
        // The last of the later jobs may still be on their way.
        let started = Instant::now();
        while walk(&server, query).await.len() != want && started.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(walk(&server, query).await.len(), want, "{query}");
    }
    // `created_after` is inclusive, `created_before` is not: together they part the jobs.
    let middle = server.get_job(&ids[ids.len() / 2]).await;
    let time = middle["created_at"].as_str().expect("a time");
    let later = walk(&server, &format!("created_after={time}&limit=100")).await;
    let earlier = walk(&server, &format!("created_before={time}&limit=100")).await;
    assert!(later.contains(&ids[ids.len() / 2]) && !earlier.is_empty());
    let both: BTreeSet<_> = later.iter().chain(&earlier).collect();
    assert_eq!((both.len(), later.len() + earlier.len()), (300, 300));
}
