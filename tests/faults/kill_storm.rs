//! No acknowledged job is lost and no job shows two results, however often the server is killed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_testkit::api::Api;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{LIMIT, echo_server, until_gone};

const JOBS: usize = 1000;
const CLIENTS: usize = 8;
const KILLS: usize = 10;

/// What a client saw when a job ended, and must see ever after.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    status: Value,
    output: Value,
    completed_at: Value,
}

/// What all clients know.
#[derive(Default)]
struct History {
    /// Inputs of acknowledged jobs, by id.
    accepted: Mutex<HashMap<String, Value>>,
    ends: Mutex<HashMap<String, Seen>>,
    two_ends: AtomicUsize,
    unanswered: AtomicUsize,
    over: AtomicBool,
}

impl History {
    fn saw(&self, job: &Value) {
        let status = job["status"].as_str().unwrap_or_default();
        let id = job["id"].as_str().expect("a job has an id").to_owned();
        let mut ends = self.ends.lock().expect("nobody panics with it");
        let now = Seen {
            status: job["status"].clone(),
            output: job["output"].clone(),
            completed_at: job["completed_at"].clone(),
        };
        match ends.get(&id) {
            Some(before) if *before != now => {
                self.two_ends.fetch_add(1, Ordering::Relaxed);
                eprintln!("{id} ended as {before:?} and then was {now:?}");
            }
            None if !matches!(status, "queued" | "processing") => {
                ends.insert(id, now);
            }
            _ => {}
        }
    }

    fn known(&self, pick: usize) -> Option<String> {
        let accepted = self.accepted.lock().expect("nobody panics with it");
        accepted.keys().nth(pick % accepted.len().max(1)).cloned()
    }
}

/// Submits this client's share of the jobs; what is not answered is sent again with the same key.
async fn submit(api: Api, history: Arc<History>, mut random: StdRng) {
    for n in 0..JOBS / CLIENTS {
        let mut input = json!({"n": n, "salt": random.random_range(0..u32::MAX)});
        if random.random_bool(0.5) {
            input["sleep_ms"] = random.random_range(1..200).into();
        }
        if random.random_bool(0.2) {
            input["chunks"] = random.random_range(1..6).into();
        }
        let key = format!("storm-{}", random.random_range(0..u64::MAX));
        let body = json!({"model": "echo", "input": input});
        loop {
            let sent = api
                .request(Method::POST, "/v1/jobs")
                .header("Idempotency-Key", &key)
                .json(&body)
                .send()
                .await;
            let answer = match sent {
                Ok(answer) => answer,
                Err(_) => {
                    history.unanswered.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let status = answer.status().as_u16();
            match (status, answer.json::<Value>().await) {
                (200 | 202, Ok(job)) => {
                    let id = job["id"].as_str().expect("a job has an id").to_owned();
                    history
                        .accepted
                        .lock()
                        .expect("nobody panics with it")
                        .insert(id, input.clone());
                    history.saw(
                        &json!({"status": job["status"], "id": job["id"], "output": job["output"],
                        "completed_at": job["completed_at"]}),
                    );
                    break;
                }
                // Stopping, or the first request with the key is still under way; or cut in the middle.
                (503 | 409, _) | (_, Err(_)) => sleep(Duration::from_millis(20)).await,
                (_, Ok(body)) => panic!("{status} {body}"),
            }
        }
        sleep(Duration::from_millis(random.random_range(0..120))).await;
    }
}

/// Reads any jobs all the time: the eyes that must never see a job end twice.
async fn watch(api: Api, history: Arc<History>, mut random: StdRng) {
    while !history.over.load(Ordering::Relaxed) {
        if let Some(id) = history.known(random.random_range(0..JOBS)) {
            match api.try_call(Method::GET, &format!("/v1/jobs/{id}"), None).await {
                Ok((status, job)) if status.as_u16() == 200 => history.saw(&job),
                Ok((status, body)) if status.as_u16() == 404 => panic!("{id} is lost: {body}"),
                _ => {}
            }
        }
        sleep(Duration::from_millis(3)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_is_lost_in_a_storm_of_kills() {
    let seed = std::env::var("TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| rand::rng().random_range(0..u64::MAX));
    println!("kill storm: TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = echo_server("").await;
    let history = Arc::new(History::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            tokio::spawn(submit(
                server.api().clone(),
                history.clone(),
                StdRng::seed_from_u64(random.random()),
            ))
        })
        .collect();
    let eyes: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn(watch(
                server.api().clone(),
                history.clone(),
                StdRng::seed_from_u64(random.random()),
            ))
        })
        .collect();
    let mut longest_orphan = Duration::ZERO;
    for _ in 0..KILLS {
        sleep(Duration::from_millis(random.random_range(50..900))).await;
        let runners = server.runner_pids();
        server.kill9();
        longest_orphan = longest_orphan.max(until_gone(&runners).await);
        server.restart().await;
    }
    for client in clients {
        client.await.expect("a client ends well");
    }
    let lost = all_end(server.api(), &history).await;
    history.over.store(true, Ordering::Relaxed);
    for eye in eyes {
        eye.await.expect("every read is good");
    }
    let accepted = history.accepted.lock().expect("nobody panics with it").clone();
    let (mut wrong, mut runs) = (0, 0);
    for (id, input) in &accepted {
        let job = server.get_job(id).await;
        history.saw(&job);
        runs += job["attempt"].as_i64().unwrap_or_default();
        if job["status"] != "succeeded" || job["output"] != *input {
            wrong += 1;
            println!("not as it should be: {job}");
        }
    }
    let two = history.two_ends.load(Ordering::Relaxed);
    println!(
        "kill storm: lost {lost} of {}, {KILLS} kills, two different results {two}, wrong results {wrong}, \
         {} runs more than jobs, {} requests unanswered, runners outlived their server by at most {longest_orphan:?}",
        accepted.len(),
        runs - JOBS as i64,
        history.unanswered.load(Ordering::Relaxed),
    );
    assert_eq!((accepted.len(), lost, two, wrong), (JOBS, 0, 0, 0));
    assert!(longest_orphan < Duration::from_secs(2));
}

/// Waits for the ends of all acknowledged jobs; how many have none.
async fn all_end(api: &Api, history: &History) -> usize {
    let ids: Vec<String> = history
        .accepted
        .lock()
        .expect("nobody panics with it")
        .keys()
        .cloned()
        .collect();
    let began = Instant::now();
    let mut open = ids;
    while !open.is_empty() && began.elapsed() < LIMIT {
        let mut still = Vec::new();
        for id in open {
            let job = api.get_job(&id).await;
            history.saw(&job);
            if matches!(job["status"].as_str(), Some("queued" | "processing")) {
                still.push(id);
            }
        }
        open = still;
        sleep(Duration::from_millis(50)).await;
    }
    open.len()
}
