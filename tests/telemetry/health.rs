//! `/readyz` says what is wrong, soon, and stops saying so when it is not any more.

use std::time::{Duration, Instant};

use lamplighter_testkit::{
    fleet::{Fleet, Node},
    proxy::Fault,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{PROGRAM, until};

/// What a process says of itself.
async fn readiness(node: &Node) -> Option<(u16, Value)> {
    let (status, text) = node.page("/readyz").await?;
    Some((status.as_u16(), serde_json::from_str(&text).expect("JSON")))
}

/// How long it takes until a process answers so.
async fn becomes(node: &Node, status: u16, check: &str, standing: &str) -> Duration {
    let began = Instant::now();
    until(
        &format!("{}: {status}, {check} {standing}", node.name()),
        async || {
            let (now, body) = readiness(node).await?;
            (now == status && body["checks"][check] == standing).then_some(())
        },
    )
    .await;
    began.elapsed()
}

#[tokio::test]
async fn readiness_follows_postgres_and_redis() {
    let fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(1)
        .via_proxies(true)
        .start()
        .await;
    let (api, worker) = (&fleet.apis[0], &fleet.workers[0]);
    for node in [api, worker] {
        becomes(node, 200, "database", "ok").await;
        becomes(node, 200, "redis", "ok").await;
    }
    let (_, body) = readiness(worker).await.expect("an answer");
    assert_eq!(
        body,
        json!({"status": "ready", "checks": {
            "database": "ok", "redis": "ok", "claim_loop": "ok", "models": {"echo": "ready"}}})
    );
    let redis = |node: &Node, fault| node.lines().redis.as_ref().expect("Redis").set(fault);
    for node in [api, worker] {
        redis(node, Fault::BlackHole);
    }
    let api_tells = becomes(api, 200, "redis", "unavailable").await;
    let worker_tells = becomes(worker, 503, "redis", "unavailable").await;
    for node in [api, worker] {
        redis(node, Fault::Pass);
    }
    let (api_back, worker_back) = tokio::join!(
        becomes(api, 200, "redis", "ok"),
        becomes(worker, 200, "redis", "ok")
    );
    println!(
        "scenario=readiness, Redis: told api={api_tells:?} worker={worker_tells:?}; back api={api_back:?} worker={worker_back:?}"
    );
    for node in [api, worker] {
        node.lines().postgres.set(Fault::BlackHole);
    }
    let (api_tells, worker_tells) = tokio::join!(
        becomes(api, 503, "database", "unavailable"),
        becomes(worker, 503, "database", "unavailable")
    );
    for node in [api, worker] {
        assert_eq!(node.page("/healthz").await.expect("an answer").0.as_u16(), 200);
        // Counting goes on; what the database would tell stays as it was.
        assert_eq!(node.page("/metrics").await.expect("an answer").0.as_u16(), 200);
        node.lines().postgres.set(Fault::Pass);
    }
    let (api_back, worker_back) = tokio::join!(
        becomes(api, 200, "database", "ok"),
        becomes(worker, 200, "database", "ok")
    );
    println!(
        "scenario=readiness, Postgres: told api={api_tells:?} worker={worker_tells:?}; back api={api_back:?} worker={worker_back:?}"
    );
    assert!(api_tells < Duration::from_secs(10) && worker_tells < Duration::from_secs(12));
    assert!(api_back < Duration::from_secs(10) && worker_back < Duration::from_secs(10));
}

#[tokio::test]
async fn a_stop_is_told_at_once_and_health_stays() {
    let mut fleet = Fleet::builder(PROGRAM).apis(1).workers(1).start().await;
    let api = fleet.api(0);
    let job = json!({"model": "echo", "input": {"text": "slow", "sleep_ms": 1500}});
    let id = api.post_job(&job).await["id"].as_str().expect("an id").to_owned();
    until("the job runs", async || {
        (api.get_job(&id).await["status"] == "processing").then_some(())
    })
    .await;
    let worker = &fleet.workers[0];
    worker.sigterm();
    let began = Instant::now();
    let (status, body) = loop {
        match readiness(worker).await.expect("it answers while it stops") {
            (200, _) => sleep(Duration::from_millis(5)).await,
            other => break other,
        }
    };
    println!("scenario=stop: told after {:?}", began.elapsed());
    assert_eq!((status, &body["status"]), (503, &json!("stopping")), "{body}");
    assert_eq!(worker.page("/healthz").await.expect("an answer").0.as_u16(), 200);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(
        api.wait(&id).await["status"],
        "succeeded",
        "it finishes what it has"
    );
    let code = fleet.workers[0].wait_exit(Duration::from_secs(10)).await;
    assert!(code.success(), "{code}");
}

#[tokio::test]
async fn the_health_port_knows_three_addresses() {
    let fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(1)
        .without_redis()
        .start()
        .await;
    let worker = &fleet.workers[0];
    let (_, body) = readiness(worker).await.expect("an answer");
    assert_eq!(body["checks"]["redis"], "not_configured", "{body}");
    let http = lamplighter_testkit::http_client();
    let url = |path: &str| format!("http://{}{path}", worker.address());
    for (path, expected) in [
        ("/", 404),
        ("/v1/jobs", 404),
        ("/healthz/", 404),
        ("/healthz", 200),
    ] {
        let answer = http.get(url(path)).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), expected, "{path}");
    }
    let posted = http.post(url("/metrics")).send().await.expect("an answer");
    assert_eq!(
        (posted.status().as_u16(), &posted.headers()["allow"]),
        (405, &"GET, HEAD".parse().expect("a value"))
    );
    let head = http.head(url("/readyz")).send().await.expect("an answer");
    assert_eq!(
        (head.status().as_u16(), head.text().await.expect("text").len()),
        (200, 0)
    );
}
