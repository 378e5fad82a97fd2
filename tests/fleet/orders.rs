//! What admins ask of workers: draining, maintenance and back, over restarts, from the command line.

use std::time::{Duration, Instant};

use lamplighter_testkit::fleet::Fleet;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::PROGRAM;

/// Heartbeats come every half second here; an order is followed by the next one.
const CONFIG: &str = "[jobs]\nheartbeat_seconds = 0.5\n";
const LIMIT: Duration = Duration::from_secs(15);

/// The worker of this name that was started last.
async fn worker(fleet: &Fleet, name: &str) -> Value {
    let (status, list) = fleet.api(0).get("/v1/workers").await;
    assert_eq!(status.as_u16(), 200, "{list}");
    let all = list["data"].as_array().expect("a list").iter();
    let named = all.filter(|worker| worker["name"] == name);
    let newest = named.max_by_key(|worker| worker["id"].as_str().map(str::to_owned));
    newest.cloned().unwrap_or(Value::Null)
}

async fn until_state(fleet: &Fleet, name: &str, state: &str) -> Duration {
    let began = Instant::now();
    loop {
        let now = worker(fleet, name).await;
        if now["state"] == state {
            return began.elapsed();
        }
        assert!(began.elapsed() < LIMIT, "{name} is not {state}: {now}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Gives an order as an operator would.
fn order(fleet: &Fleet, order: &str, worker: &str) -> Value {
    let server = fleet.api(0).url("");
    let printed = fleet.run(&[
        "workers",
        order,
        worker,
        "--server",
        &server,
        "--token",
        fleet.token(),
    ]);
    serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}"))
}

/// Runs this many jobs at once; the names of the workers that ran them.
async fn run(fleet: &Fleet, count: usize, input: Value) -> Vec<String> {
    let api = fleet.api(0);
    let one = async || {
        let job = api.post_job(&json!({"model": "echo", "input": input})).await;
        let done = api.wait(&job).await;
        assert_eq!(
            (&done["status"], &done["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{done}"
        );
        done["worker"].as_str().expect("it ran somewhere").to_owned()
    };
    futures::future::join_all((0..count).map(|_| one())).await
}

#[tokio::test]
async fn a_worker_is_drained_maintained_over_a_restart_and_resumed() {
    let mut fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(2)
        .config(CONFIG)
        .start()
        .await;
    let api = fleet.api(0);
    until_state(&fleet, "worker-0", "active").await;
    // Both are full: what runs ends where it is, what waits goes to the other one.
    let mut running = Vec::new();
    for _ in 0..80 {
        running.push(
            api.post_job(&json!({"model": "echo", "input": {"sleep_ms": 1500}}))
                .await,
        );
    }
    let sql = fleet.sql();
    while sql
        .number("SELECT count(DISTINCT worker) FROM jobs WHERE state = 'processing'")
        .await
        < 2
    {
        sleep(Duration::from_millis(5)).await;
    }
    let asked = order(&fleet, "drain", "worker-0");
    assert_eq!(asked["state"], "draining", "the order counts at once: {asked}");
    let drained = until_state(&fleet, "worker-0", "drained").await;
    let mine = "SELECT count(*) FROM jobs WHERE state = 'processing' AND worker = 'worker-0'";
    assert_eq!(sql.number(mine).await, 0);
    for job in &running {
        let done = api.wait(job).await;
        assert_eq!(
            (&done["status"], &done["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{done}"
        );
    }
    let elsewhere = run(&fleet, 40, json!({})).await;
    assert!(
        elsewhere.iter().all(|worker| worker == "worker-1"),
        "{elsewhere:?}"
    );
    assert_eq!(
        fleet.workers[0].runner_pids().len(),
        1,
        "its model stays in memory"
    );
    assert_eq!(
        order(&fleet, "drain", "worker-0")["state"],
        "drained",
        "twice is once"
    );

    order(&fleet, "maintenance", "worker-0");
    let maintained = until_state(&fleet, "worker-0", "maintenance").await;
    assert_eq!(fleet.workers[0].runner_pids(), Vec::<u32>::new());
    let before = worker(&fleet, "worker-0").await;
    assert_eq!(
        (&before["memory"]["used_bytes"], &before["in_flight"]),
        (&json!(0), &json!(0))
    );

    // A new process of the same name claims nothing and loads nothing.
    fleet.workers[0].kill9();
    fleet.workers[0].spawn().await;
    let began = Instant::now();
    while worker(&fleet, "worker-0").await["id"] == before["id"] {
        assert!(began.elapsed() < LIMIT, "the new process does not report");
        sleep(Duration::from_millis(10)).await;
    }
    until_state(&fleet, "worker-0", "maintenance").await;
    order(&fleet, "drain", "worker-1");
    until_state(&fleet, "worker-1", "drained").await;
    let job = api.post_job(&json!({"model": "echo", "input": {}})).await;
    // What is known of a queue may be a second old.
    let began = Instant::now();
    loop {
        let waits = api.get_job(job["id"].as_str().expect("an id")).await;
        assert_eq!(waits["status"], "queued", "{waits}");
        if waits["queue"]["possible"] == false {
            break;
        }
        assert!(began.elapsed() < LIMIT, "nobody can run it: {waits}");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fleet.workers[0].runner_pids(), Vec::<u32>::new());

    let began = Instant::now();
    let resumed = order(&fleet, "resume", "worker-0");
    assert_eq!(resumed["state"], "active");
    let done = api.wait(&job).await;
    assert_eq!(
        (&done["status"], &done["worker"]),
        (&json!("succeeded"), &json!("worker-0")),
        "{done}"
    );
    let served = began.elapsed();
    order(&fleet, "resume", "worker-1");
    println!(
        "scenario=orders drained_after={drained:?} (jobs of 1.5 s) maintained_after={maintained:?} served_after_resume={served:?}"
    );
    // A heartbeat, the job in hand, a report.
    assert!(
        drained < Duration::from_secs(12)
            && maintained < Duration::from_secs(8)
            && served < Duration::from_secs(8)
    );
}

#[tokio::test]
async fn queues_and_workers_say_what_is() {
    let mut fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(1)
        .config(CONFIG)
        .start()
        .await;
    let api = fleet.api(0);
    run(&fleet, 20, json!({"sleep_ms": 5})).await;
    for priority in ["low", "normal", "high"] {
        for _ in 0..20 {
            let job = json!({"model": "echo", "input": {"sleep_ms": 60_000}, "priority": priority});
            api.post_job(&job).await;
        }
    }
    let began = Instant::now();
    let queue = loop {
        let (_, list) = api.get("/v1/queues").await;
        let queue = list["data"][0].clone();
        if queue["in_flight"] == 32 {
            break queue;
        }
        assert!(began.elapsed() < LIMIT, "{queue}");
        sleep(Duration::from_millis(10)).await;
    };
    println!("scenario=queues {queue}");
    assert_eq!(
        (&queue["model"], &queue["depth"], &queue["workers"]),
        (&json!("echo"), &json!(28), &json!(1))
    );
    let by = &queue["depth_by_priority"];
    let sum: u64 = ["low", "normal", "high"]
        .iter()
        .filter_map(|p| by[*p].as_u64())
        .sum();
    assert_eq!(sum, 28, "{queue}");
    assert!(
        queue["oldest_seconds"].as_f64().is_some_and(|s| s > 0.0),
        "{queue}"
    );
    assert!(
        queue["service_rate"].as_f64().is_some_and(|rate| rate > 0.0),
        "{queue}"
    );
    assert!(
        queue["eta_seconds"].as_f64().is_some_and(|eta| eta > 0.0),
        "{queue}"
    );
    let known = worker(&fleet, "worker-0").await;
    assert_eq!(
        (&known["device"], &known["models"][0]["status"]),
        (&json!("cpu"), &json!("ready")),
        "{known}"
    );
    assert!(known["memory"]["used_bytes"].as_u64() > Some(0), "{known}");
    fleet.workers[0].kill9();
    // Its row stays, and tells that it is lost; 15 s without a sign are not waited for here.
    fleet
        .sql()
        .query("UPDATE workers SET last_seen_at = last_seen_at - 16000")
        .await;
    assert_eq!(worker(&fleet, "worker-0").await["state"], "lost");
    // Somebody without the role gets nothing, whatever the token says.
    let token = fleet.create_token("bob@example.com", &["jobs:read", "jobs:write"]);
    let (status, body) = fleet.api_as(0, &token).get("/v1/queues").await;
    assert_eq!(
        (status.as_u16(), &body["code"]),
        (403, &json!("insufficient_scope"))
    );
    let refused = fleet
        .command(&[
            "token",
            "create",
            "--user",
            "bob@example.com",
            "--scopes",
            "admin",
        ])
        .output();
    let refused = refused.expect("the program starts");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("admin"));
}

#[tokio::test]
async fn a_job_goes_where_its_model_is_in_memory() {
    const EACH: u64 = 100 << 20;
    let entry = |id| {
        format!(
            "[[model]]\nid = \"{id}\"\ntask = \"echo\"\nfamily = \"echo\"\n[model.limits]\nmemory_bytes = {EACH}\n"
        )
    };
    // Each has room for one of two: the first has `a`, the other `b`.
    let one = "LAMPLIGHTER_WORKER__MEMORY_BYTES";
    let fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(2)
        .models(["a", "b"])
        .catalogue(&(entry("a") + &entry("b")))
        .config(CONFIG)
        .env(one, (EACH + 1).to_string())
        .start()
        .await;
    let api = fleet.api(0);
    let submit = async |model: &str| {
        let done = api
            .wait(&api.post_job(&json!({"model": model, "input": {}})).await)
            .await;
        assert_eq!(
            (&done["status"], &done["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{done}"
        );
        done["worker"].as_str().expect("it ran somewhere").to_owned()
    };
    let began = Instant::now();
    let first = submit("b").await;
    let loaded = began.elapsed();
    let (mut last, mut moves) = (["", &first].map(str::to_owned), 0);
    for _ in 0..20 {
        for (model, before) in ["a", "b"].iter().zip(&mut last) {
            let place = submit(model).await;
            moves += u32::from(!before.is_empty() && *before != place);
            *before = place;
        }
    }
    println!("scenario=places first={first} after={loaded:?} jobs=40 moves={moves} last={last:?}");
    // On a machine that stands still for a quarter of a second, one may move.
    assert!(moves <= 4, "each model stays where it is: {moves} moves");
}
