//! The life of a job through the real router: submit, wait, list, cancel, repeat, delete, keys, tokens.

mod support;

use std::time::{Duration, Instant};

use lamplighter_api::auth::{
    scope::Scope,
    token::{self, MintRequest},
};
use lamplighter_shared::{
    db::finish::Outcome,
    error::ErrorCode,
    id::{JobId, TokenId},
    job::JobError,
};
use poem::{
    Request,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use support::{World, send};

const BIG: &str = r#"{"n":12345678901234567890123,"f":0.10000000000000000555,"e":1.0e-7,"t":"é\u0007"}"#;

#[tokio::test]
async fn a_job_is_stored_shown_and_run() {
    let world = World::new().await;
    let body = json!({"model": "echo", "input": {"hello": "world"}, "priority": "high", "metadata": {"a": 1},
        "timeout": {"start_seconds": 60, "run_seconds": 5}});
    let read = world.submit(&body).await;
    assert_eq!(read.status, StatusCode::ACCEPTED, "{}", read.text);
    let job = read.json();
    assert_eq!(
        read.header("location"),
        job["urls"]["get"].as_str().expect("an address")
    );
    assert_eq!(read.header("retry-after"), "1");
    assert_eq!(read.header("cache-control"), "no-store");
    assert_eq!(read.header("x-content-type-options"), "nosniff");
    for (field, want) in [
        ("object", json!("job")),
        ("model", json!("echo")),
        ("task", json!("echo")),
        ("status", json!("queued")),
        ("input", json!({"hello": "world"})),
        ("priority", json!("high")),
        ("metadata", json!({"a": 1})),
        ("timeout", json!({"start_seconds": 60, "run_seconds": 5})),
        ("attempt", json!(0)),
        ("data_removed", json!(false)),
    ] {
        assert_eq!(job[field], want, "{field}");
    }
    assert_eq!(job["queue"]["position"], 0);
    assert_eq!(job["queue"]["possible"], false);
    assert!(job["queue"]["reason"].is_string());

    let run = world.claim().await;
    let path = read.header("location").to_owned();
    let running = world.get(&path).await.json();
    assert_eq!(
        (&running["status"], &running["attempt"]),
        (&json!("processing"), &json!(1))
    );
    assert!(running.get("queue").is_none());
    world.tell(run, 1..=10).await;
    assert_eq!(
        world.get(&path).await.json()["progress"],
        json!({"fraction": 0.5, "stage": "running"})
    );
    world.finish(run, Outcome::Succeeded(BIG.to_owned()), 10).await;
    let done = world.get(&path).await;
    assert_eq!(done.json()["status"], "succeeded");
    assert!(
        done.text.contains(&format!("\"output\":{BIG}")),
        "the output is passed on as it is: {}",
        done.text
    );
}

#[tokio::test]
async fn waiting_answers_as_soon_as_the_job_ends_and_not_later_than_asked() {
    let world = World::new().await;
    let api = world.api();
    let body = json!({"model": "echo", "input": {}}).to_string();
    let waiting = send(
        &api,
        world.submission().header("prefer", "wait=20").body(body.clone()),
    );
    let working = async {
        let mut bell = world.state.doorbell.listen("echo");
        // The ring may have been before or after the bell was asked for: both end here.
        while world.stored().await == 0 {
            let _ = tokio::time::timeout(Duration::from_millis(5), bell.rung()).await;
        }
        let run = world.claim().await;
        world.finish(run, Outcome::Succeeded("{}".to_owned()), 0).await;
        Instant::now()
    };
    let (read, finished) = tokio::join!(waiting, working);
    let late = finished.elapsed();
    assert_eq!(read.status, StatusCode::OK, "{}", read.text);
    assert_eq!(read.header("preference-applied"), "wait=20");
    assert_eq!(read.json()["output"], json!({}));
    println!("answered {late:?} after the end");
    assert!(
        late < Duration::from_millis(900),
        "{late:?}: it was the fallback that saw the end, not the event"
    );

    let started = Instant::now();
    let read = send(
        &api,
        world
            .submission()
            .header("prefer", "respond-async, wait=1")
            .body(body.clone()),
    )
    .await;
    assert_eq!(
        (read.status, read.header("preference-applied")),
        (StatusCode::ACCEPTED, "wait=1")
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
    let read = send(
        &api,
        world.submission().header("prefer", "respond-async").body(body),
    )
    .await;
    assert_eq!(
        (read.status, read.header("preference-applied")),
        (StatusCode::ACCEPTED, "respond-async")
    );
}

#[tokio::test]
async fn lists_are_pages_without_payloads() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.echo().await.to_string());
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page = world.get(&path).await.json();
        assert_eq!(page["object"], "list");
        for job in page["data"].as_array().expect("jobs") {
            assert!(job.get("input").is_none() && job.get("output").is_none());
            assert!(job.get("attempts").is_none());
            seen.push(job["id"].as_str().expect("an id").to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/jobs?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let count = async |query: &str| {
        world.get(&format!("/v1/jobs?{query}")).await.json()["data"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(count("status=queued&model=echo").await, Some(5));
    assert_eq!(count("status=failed").await, Some(0));
    assert_eq!(count("model=minilm").await, Some(0));
    assert_eq!(count("task=echo&status=queued").await, Some(5));
    assert_eq!(count("task=unheard-of").await, Some(0));
    assert_eq!(count("task=").await, Some(0));
    assert_eq!(
        count("created_after=2020-01-01T00:00:00Z&created_before=2020-01-02T00:00:00Z").await,
        Some(0)
    );
    assert_eq!(count("created_after=2020-01-01T00:00:00%2B08:00").await, Some(5));
}

#[tokio::test]
async fn jobs_are_canceled_repeated_and_deleted_when_that_fits() {
    let world = World::new().await;
    let waiting = world.echo().await;
    let path = format!("/v1/jobs/{waiting}");
    assert_eq!(world.delete(&path).await.json()["code"], "job_active");
    assert_eq!(
        world.post(&format!("{path}/retry")).await.json()["code"],
        "job_active"
    );
    let canceled = world.post(&format!("{path}/cancel")).await;
    assert_eq!(
        (canceled.status, &canceled.json()["status"]),
        (StatusCode::OK, &json!("canceled"))
    );
    assert_eq!(
        world.post(&format!("{path}/cancel")).await.status,
        StatusCode::OK,
        "canceling again is no fault"
    );

    let again = world.post(&format!("{path}/retry")).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text);
    assert_eq!(again.json()["retry_of"], waiting.to_string());
    assert_eq!(again.json()["input"], json!({"hello": "world"}));
    assert_eq!(again.json()["timeout"], world.get(&path).await.json()["timeout"]);

    let mut cancels = world.state.doorbell.listen_cancels();
    let run = world.claim().await;
    let running = format!("/v1/jobs/{}", run.0);
    let asked = world.post(&format!("{running}/cancel")).await;
    assert_eq!(
        (asked.status, &asked.json()["status"]),
        (StatusCode::ACCEPTED, &json!("processing"))
    );
    assert!(asked.json()["cancel_requested_at"].is_string());
    assert_eq!(cancels.try_recv(), Ok(run.0), "the worker hears of it");
    let failed = JobError::new(ErrorCode::ModelError, "no");
    world.finish(run, Outcome::Failed(failed), 0).await;
    let ended = world.get(&running).await.json();
    if ended["status"] == "failed" {
        assert_eq!(ended["error"]["type"], "model_error");
        assert_eq!(
            world.post(&format!("{running}/cancel")).await.json()["code"],
            "job_finished"
        );
    }

    assert_eq!(world.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.delete(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_makes_a_request_repeatable() {
    let world = World::new().await;
    let api = world.api();
    let post = async |key: &str, body: Value| {
        send(
            &api,
            world
                .submission()
                .header("idempotency-key", key)
                .body(body.to_string()),
        )
        .await
    };
    let first = post("k1", json!({"model": "echo", "input": {"a": 1}})).await;
    let id = first.json()["id"].clone();
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (StatusCode::ACCEPTED, "")
    );
    let same = post("\"k1\"", json!({"input": {"a": 1}, "model": "echo"})).await;
    assert_eq!(
        (same.status, same.header("idempotent-replayed")),
        (StatusCode::ACCEPTED, "true")
    );
    assert_eq!(
        (&same.json()["id"], &same.json()["input"]),
        (&id, &json!({"a": 1}))
    );
    let other = post("k1", json!({"model": "echo", "input": {"a": 2}})).await;
    assert_eq!(
        (other.status.as_u16(), other.json()["code"].as_str()),
        (422, Some("idempotency_key_reused"))
    );
    assert_ne!(
        post("k2", json!({"model": "echo", "input": {"a": 1}}))
            .await
            .json()["id"],
        id
    );
    let body = json!({"model": "echo", "input": {"a": 1}}).to_string();
    let foreign = world
        .submission()
        .header("idempotency-key", "k1")
        .header("authorization", "");
    let mut foreign = foreign.body(body.clone());
    let bearer = format!("Bearer {}", world.other_token).parse().expect("a header");
    foreign.headers_mut().insert("authorization", bearer);
    assert_ne!(
        send(&api, foreign).await.json()["id"],
        id,
        "another user's key is another key"
    );

    let run = world.claim().await;
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 0).await;
    let replay = post("k1", json!({"model": "echo", "input": {"a": 1}})).await;
    assert_eq!(
        (replay.status, &replay.json()["status"]),
        (StatusCode::ACCEPTED, &json!("succeeded"))
    );
    let request = world
        .submission()
        .header("idempotency-key", "k1")
        .header("prefer", "wait=5");
    let replay = send(&api, request.body(body)).await;
    assert_eq!((replay.status, &replay.json()["id"]), (StatusCode::OK, &id));

    assert_eq!(
        world.delete(&format!("/v1/jobs/{}", run.0)).await.status,
        StatusCode::NO_CONTENT
    );
    let after = post("k1", json!({"model": "echo", "input": {"a": 1}})).await;
    assert!(
        after.status.as_u16() < 500,
        "a key outlives its job: {}",
        after.text
    );
}

#[tokio::test]
async fn without_a_good_token_there_is_nothing() {
    let world = World::new().await;
    let api = world.api();
    let now = world.state.db.now().await.expect("the time");
    let request = MintRequest {
        user: world.owner.id,
        token_id: TokenId::generate(),
        scopes: Scope::ALL.to_vec(),
        expires_at: now + 3_600_000,
        now,
    };
    let (unknown, _) = token::mint(&world.state.key, &request).expect("minted");
    let revoked = world.token_with(&["jobs:read"]).await;
    let (db, cache) = (&world.state.db, &world.state.cache);
    let first = token::revoke(db, cache, &revoked).await.expect("revoked");
    let again = token::revoke(db, cache, &revoked).await.expect("asked");
    assert_eq!(first, token::Revoked::Now);
    assert!(
        matches!(again, token::Revoked::Before(at) if at >= now),
        "{again:?}"
    );
    let none = token::revoke(db, cache, &unknown).await.expect("asked");
    assert_eq!(none, token::Revoked::NotFound);
    let mut wrong = world.token.clone();
    wrong.replace_range(20..21, if &wrong[20..21] == "A" { "B" } else { "A" });
    let get = |header: &str, value: &str| {
        Request::builder()
            .uri_str("/v1/jobs")
            .header(header, value)
            .finish()
    };
    for (name, request, challenge) in [
        ("none", get("accept", "*/*"), false),
        ("another scheme", get("authorization", "Basic YTpi"), false),
        (
            "made up",
            get("authorization", "Bearer lmp_v4.local.AAAA_000000"),
            true,
        ),
        ("changed", get("authorization", &format!("Bearer {wrong}")), true),
        (
            "minted but not stored",
            get("authorization", &format!("Bearer {unknown}")),
            true,
        ),
        ("revoked", get("x-api-key", &revoked), true),
    ] {
        let read = send(&api, request).await;
        assert_eq!(
            (read.status.as_u16(), read.json()["code"].as_str()),
            (401, Some("unauthorized")),
            "{name}"
        );
        let told = read.header("www-authenticate");
        assert!(
            told.starts_with("Bearer ") && told.contains("invalid_token") == challenge,
            "{name}: {told}"
        );
    }
    assert_eq!(
        send(&api, get("x-api-key", &world.token)).await.status,
        StatusCode::OK
    );
    assert_eq!(
        send(&api, get("authorization", &format!("bearer {}", world.token)))
            .await
            .status,
        StatusCode::OK
    );

    let reader = world.token_with(&["jobs:read"]).await;
    let submit = Request::builder()
        .method(Method::POST)
        .uri_str("/v1/jobs")
        .header("x-api-key", &reader);
    let read = send(&api, submit.finish()).await;
    assert_eq!(
        (read.status.as_u16(), read.json()["code"].as_str()),
        (403, Some("insufficient_scope"))
    );
    assert!(read.header("www-authenticate").contains("scope=\"jobs:write\""));
    for open in ["/healthz", "/readyz", "/openapi.json", "/docs", "/docs/errors"] {
        let read = send(&api, Request::builder().uri_str(open).finish()).await;
        assert_eq!(read.status, StatusCode::OK, "{open}");
        assert!(read.headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn tokens_are_made_only_as_allowed() {
    let world = World::new().await;
    let make = async |name: &str, scopes: &[&str], seconds: u64| {
        let new = token::NewApiToken {
            user: world.owner.id,
            name: name.to_owned(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            expires_in: Duration::from_secs(seconds),
            models: None,
        };
        token::create(&world.state.db, &world.state.key, new)
            .await
            .map_err(|e| e.to_string())
    };
    assert!(make("ok", &["jobs:read", "jobs:read"], 600).await.is_ok());
    for (name, scopes, seconds) in [
        ("a", &["everything"][..], 3600),
        ("a", &[], 3600),
        ("", &["jobs:read"], 3600),
        ("a\n", &["jobs:read"], 3600),
        ("a", &["jobs:read"], 599),
        ("a", &["jobs:read"], 367 * 86_400),
    ] {
        assert!(
            make(name, scopes, seconds).await.is_err(),
            "{name:?} {scopes:?} {seconds}"
        );
    }
}

#[tokio::test]
async fn a_foreign_job_looks_like_one_that_never_was() {
    let world = World::new().await;
    let api = world.api();
    let (job, missing) = (world.echo().await, JobId::generate());
    for (method, tail) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::POST, "/cancel"),
        (Method::POST, "/retry"),
        (Method::GET, "/events"),
    ] {
        let ask = async |id: JobId| {
            let request = Request::builder()
                .method(method.clone())
                .uri_str(format!("/v1/jobs/{id}{tail}"));
            let request = request
                .header("x-api-key", &world.other_token)
                .header("x-request-id", "same");
            let read = send(&api, request.finish()).await;
            (
                read.status,
                read.text.replace(&id.to_string(), "ID"),
                read.headers.clone(),
            )
        };
        let (foreign, none) = (ask(job).await, ask(missing).await);
        assert_eq!(foreign, none, "{method} {tail}");
        assert_eq!(foreign.0, StatusCode::NOT_FOUND);
    }
    let list = Request::builder()
        .uri_str("/v1/jobs")
        .header("x-api-key", &world.other_token);
    assert_eq!(send(&api, list.finish()).await.json()["data"], json!([]));
    assert_eq!(
        world.get(&format!("/v1/jobs/{job}")).await.json()["status"],
        "queued",
        "nobody touched it"
    );
}

#[tokio::test]
async fn models_tell_what_they_take() {
    let world = World::new().await;
    let list = world.get("/v1/models").await.json();
    let ids: Vec<_> = list["data"]
        .as_array()
        .expect("models")
        .iter()
        .map(|m| m["id"].clone())
        .collect();
    let known: Vec<_> = lamplighter_shared::model_spec::Catalog::built_in()
        .0
        .into_keys()
        .map(Value::from)
        .collect();
    assert_eq!(ids, known);
    let model = world.get("/v1/models/minilm").await.json();
    let tasks: Vec<_> = model["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| &task["task"])
        .collect();
    assert_eq!((&model["task"], tasks.len()), (tasks[0], 3));
    assert_eq!(model["status"], "offline");
    assert_eq!(model["input_schema"]["properties"]["texts"]["maxItems"], 128);
    assert!(model["output_schema"].is_object() && model["license"].is_string());
    let read = world
        .submit(&json!({"model": "minilm", "input": model["example"]}))
        .await;
    assert_eq!(
        read.status,
        StatusCode::ACCEPTED,
        "the example is accepted: {}",
        read.text
    );
}

#[tokio::test]
async fn a_request_id_comes_back() {
    let world = World::new().await;
    let request = world
        .request(Method::GET, "/v1/jobs/x")
        .header("x-request-id", "mine-1");
    let read = send(&world.api(), request.finish()).await;
    assert_eq!(
        (read.header("x-request-id"), &read.json()["request_id"]),
        ("mine-1", &json!("mine-1"))
    );
    assert!(
        world
            .get("/v1/jobs")
            .await
            .header("x-request-id")
            .starts_with("req_")
    );
}
