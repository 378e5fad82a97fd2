//! R10: a request with an idempotency key may be sent as often as anybody likes, to any API, at the same time,
//! with APIs that die before they answer and a Redis that forgets: there is one job of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::join_all;
use lamplighter_testkit::{api::Api, load::Client, scenario::sized};
use rand::RngExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    fault_points::{revive, set_points},
    support::Trial,
};

/// One request with a key: its status, and the body of the answer.
async fn send(api: &Api, key: &str, body: &Value) -> (u16, Value, bool) {
    let request = api.request(Method::POST, "/v1/jobs");
    let request = request.header("idempotency-key", key).json(body);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let replayed = answer.headers().contains_key("idempotent-replayed");
    (status, answer.json().await.expect("JSON"), replayed)
}

fn body(number: usize) -> Value {
    json!({"model": "echo", "input": {"n": number}})
}

fn id(job: &Value) -> String {
    job["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no job: {job}"))
        .to_owned()
}

/// Sends every key so many times at once while APIs die before they answer and Redis forgets; how many died.
async fn storm(trial: &mut Trial, keys: usize, at_once: usize) -> usize {
    let mut random = trial.scenario.random();
    let mut aborts = |node: &mut _| {
        let passed: u32 = random.random_range(2..8);
        set_points(
            node,
            &format!("submit.before_response={passed}*off->return(abort)"),
        );
    };
    for node in &mut trial.fleet.apis {
        aborts(node);
        node.restart().await;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut clients = Vec::new();
    for number in (0..keys).flat_map(|key| std::iter::repeat_n(key, at_once)) {
        let mut client = Client {
            apis: trial.fleet.all_apis(),
            next: clients.len(),
            history: trial.history.clone(),
            deadline,
        };
        clients.push(tokio::spawn(async move {
            // All of one key at once, the keys one after the other.
            sleep(Duration::from_millis(50 * number as u64)).await;
            client.submit(&format!("key-{number}"), &body(number)).await
        }));
    }
    let (mut died, mut rounds) = (0, 0_u32);
    while clients.iter().any(|client| !client.is_finished()) {
        died += revive(&mut trial.fleet.apis, &mut aborts).await;
        rounds += 1;
        if rounds.is_multiple_of(20) {
            trial.fleet.redis_mut().restart_empty();
        }
        sleep(Duration::from_millis(20)).await;
    }
    for client in clients {
        client.await.expect("a client ends well").expect("it was taken");
    }
    for node in &mut trial.fleet.apis {
        set_points(node, "");
        node.restart().await;
    }
    died
}

/// Two requests share a key and differ: one of them has it, whoever asks and however often.
async fn only_one_has_it(trial: &Trial, keys: usize) {
    let apis = trial.fleet.all_apis();
    for key in 0..keys {
        let name = format!("disputed-{key}");
        let sends = (0..10).map(|n| {
            let (api, body) = (apis[n % apis.len()].clone(), body(1_000_000 + n / 5));
            let name = name.clone();
            async move { (n / 5, send(&api, &name, &body).await) }
        });
        let mut winners = BTreeMap::new();
        for (which, (status, answer, _)) in join_all(sends).await {
            match status {
                202 => _ = winners.insert(id(&answer), which),
                422 => assert_eq!(answer["code"], "idempotency_key_reused", "{answer}"),
                409 => assert_eq!(answer["code"], "idempotency_in_flight", "{answer}"),
                _ => panic!("{status} {answer}"),
            }
        }
        assert_eq!(winners.len(), 1, "one job: {winners:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_key_has_one_job_whatever_happens() {
    let mut trial = Trial::begin("R10 idempotency", |builder| builder).await;
    let (keys, at_once) = sized((40, 20), (200, 50));
    let died = storm(&mut trial, keys, at_once).await;
    trial.fleet.redis_mut().command(&["FLUSHALL"]);

    // Afterwards, with an empty Redis, on either API: the same job, and no other body.
    let apis = trial.fleet.all_apis();
    let mut first = Vec::new();
    for number in 0..keys {
        let api = &apis[number % apis.len()];
        let key = format!("key-{number}");
        let (status, job, replayed) = send(api, &key, &body(number)).await;
        assert_eq!((status, replayed), (202, true), "{job}");
        first.push(id(&job));
        let (status, answer, _) = send(api, &key, &body(number + 1)).await;
        assert_eq!(status, 422, "{answer}");
        assert_eq!(answer["code"], "idempotency_key_reused", "{answer}");
    }
    let told: BTreeSet<String> = trial.history.acknowledged().into_iter().collect();
    assert_eq!(told, first.iter().cloned().collect(), "what everybody was told");

    // Another user's keys are their own.
    let other = trial.fleet.create_token("other@example.org", &[]);
    for (number, theirs) in first.iter().enumerate() {
        let (one, two) = (
            trial.fleet.api_as(number % 2, &other),
            trial.fleet.api_as((number + 1) % 2, &other),
        );
        let key = format!("key-{number}");
        let (status, job, replayed) = send(&one, &key, &body(number)).await;
        assert_eq!((status, replayed), (202, false), "{job}");
        assert_ne!(&id(&job), theirs);
        assert_eq!(id(&send(&two, &key, &body(number)).await.1), id(&job));
    }
    let disputed = 10;
    only_one_has_it(&trial, disputed).await;

    let verdict = trial.settle(Duration::from_secs(30)).await;
    let rows = trial.fleet.sql().number("SELECT count(*) FROM jobs").await;
    trial.scenario.report(&format_args!(
        "{verdict} keys={keys} at_once={at_once} apis_died={died} rows={rows}"
    ));
    verdict.assert_clean();
    assert!(died > 0, "no API died before it answered");
    assert_eq!(verdict.acknowledged, keys);
    assert_eq!(rows as usize, keys * 2 + disputed);
}
