//! More models than fit in memory: those that are needed are loaded in the place of others, never more at
//! once than the budget allows, and nobody waits for ever.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lamplighter_testkit::server::{Options, Server};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PROGRAM, text, until};

/// What each model says it takes, bytes.
const EACH: u64 = 100 << 20;

/// A server with this many models of equal size, and room for `room` of them.
async fn server(models: &[&str], room: u64, config: &str) -> (Server, TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let entry = |id: &&str| {
        format!(
            "[[model]]\nid = \"{id}\"\ntask = \"echo\"\nfamily = \"echo\"\n[model.limits]\nmax_batch_jobs = 4\nmemory_bytes = {EACH}\n"
        )
    };
    let catalogue: String = models.iter().map(entry).collect();
    std::fs::write(dir.path().join("models.toml"), catalogue).expect("the folder is writable");
    let server = Options::new(PROGRAM)
        .data_dir(dir.path())
        .models(models)
        .config(&format!("[worker]\nmemory_bytes = {}\n{config}", room * EACH + 1))
        .start()
        .await;
    (server, dir)
}

async fn submit(server: &Server, model: &str, input: Value) -> String {
    let job = server.post_job(&json!({"model": model, "input": input})).await;
    text(&job, "id")
}

/// The models that stand in `status`.
async fn standing(server: &Server, status: &str) -> BTreeSet<String> {
    let (_, list) = server.get("/v1/workers").await;
    // One that was killed is still on the list; ids sort by the time of the start.
    let workers = list["data"].as_array().into_iter().flatten();
    let newest = workers.max_by_key(|worker| worker["id"].as_str().map(str::to_owned));
    let models = newest.and_then(|worker| worker["models"].as_array());
    models
        .into_iter()
        .flatten()
        .filter(|model| model["status"] == status)
        .map(|model| text(model, "id"))
        .collect()
}

fn names(models: &[&str]) -> BTreeSet<String> {
    models.iter().map(ToString::to_string).collect()
}

async fn until_standing(server: &Server, status: &str, models: &[&str]) {
    until(&format!("{models:?} are {status}"), || async {
        (standing(server, status).await == names(models)).then_some(())
    })
    .await;
}

/// Does the work, and counts runners all the while; the most there were.
async fn most_runners(server: &Server, work: impl Future<Output = ()>) -> usize {
    let mut most = 0;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            () = &mut work => return most,
            () = tokio::time::sleep(Duration::from_millis(2)) => most = most.max(server.runner_pids().len()),
        }
    }
}

#[tokio::test]
async fn three_models_share_the_memory_of_two() {
    let (server, _dir) = server(&["a", "b", "c"], 2, "").await;
    until_standing(&server, "ready", &["a", "b"]).await;
    assert_eq!(
        standing(&server, "unloaded").await,
        names(&["c"]),
        "what fits is loaded first"
    );
    let (_, list) = server.get("/v1/workers").await;
    assert_eq!(
        list["data"][0]["memory"],
        json!({"budget_bytes": 2 * EACH + 1, "used_bytes": 2 * EACH})
    );
    let seed = rand::rng().random_range(0..u64::MAX);
    let mut random = StdRng::seed_from_u64(seed);
    let order: Vec<&str> = (0..24)
        .map(|_| ["a", "b", "c"][random.random_range(0..3)])
        .collect();
    let mut slowest = Duration::ZERO;
    let most = most_runners(&server, async {
        for (job, ready) in [("a", ["a", "b"]), ("c", ["a", "c"]), ("b", ["b", "c"])] {
            // Used in this order, the one that was used longest ago leaves.
            let done = server.wait(&submit(&server, job, json!({})).await).await;
            assert_eq!(done["status"], "succeeded", "{done}");
            until_standing(&server, "ready", &ready).await;
        }
        for model in order {
            let began = Instant::now();
            let done = server.wait(&submit(&server, model, json!({})).await).await;
            slowest = slowest.max(began.elapsed());
            assert_eq!(
                (&done["status"], &done["attempt"]),
                (&json!("succeeded"), &json!(1)),
                "{done}"
            );
        }
        // And all at once.
        let mut ids = Vec::new();
        for round in 0..60 {
            ids.push(submit(&server, ["a", "b", "c"][round % 3], json!({"sleep_ms": 10})).await);
        }
        for id in ids {
            assert_eq!(server.wait(&id).await["status"], "succeeded");
        }
    })
    .await;
    println!(
        "three models in the memory of two: seed {seed}, 87 jobs, at most {most} runners, the slowest single job {slowest:?}"
    );
    assert_eq!(most, 2);
}

#[tokio::test]
async fn a_flood_on_one_model_does_not_starve_another() {
    let (server, _dir) = server(&["a", "b"], 1, "min_residency_seconds = 1\n").await;
    until_standing(&server, "ready", &["a"]).await;
    let mut flood = Vec::new();
    // 10 s of work, four at a time.
    for _ in 0..200 {
        flood.push(submit(&server, "a", json!({"sleep_ms": 200})).await);
    }
    let began = Instant::now();
    let waits = submit(&server, "b", json!({})).await;
    let queued = server.get_job(&waits).await;
    let reason = queued["queue"]["reason"].as_str().unwrap_or_default().to_owned();
    let most = most_runners(&server, async {
        let done = server.wait(&waits).await;
        assert_eq!(done["status"], "succeeded", "{done}");
    })
    .await;
    let took = began.elapsed();
    let left = futures::future::join_all(flood.iter().map(|id| server.get_job(id))).await;
    let left = left.iter().filter(|job| job["status"] == "queued").count();
    for id in &flood {
        let done = server.wait(id).await;
        assert_eq!(
            (&done["status"], &done["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "what was handed back counts for nothing: {done}"
        );
    }
    println!(
        "a flood of 200 on one model: the job of another was served after {took:?}, {left} of the flood behind it, most runners {most}"
    );
    assert!(reason.contains("loaded"), "{queued}");
    assert_eq!(queued["queue"]["possible"], true);
    assert!(
        left > 0 && took < Duration::from_secs(8),
        "it did not wait for the end of the flood"
    );
    assert_eq!(most, 1);
}

#[tokio::test]
async fn a_model_larger_than_the_memory_says_so_and_the_others_work() {
    let (server, dir) = server(&["a", "b"], 1, "").await;
    let catalogue = dir.path().join("models.toml");
    let larger = std::fs::read_to_string(&catalogue)
        .expect("written before")
        .replacen(
            &format!("memory_bytes = {EACH}"),
            &format!("memory_bytes = {}", 3 * EACH),
            1,
        );
    std::fs::write(&catalogue, larger).expect("the folder is writable");
    let mut server = server;
    server.restart().await;
    until_standing(&server, "ready", &["b"]).await;
    let failed = server.get("/v1/models/a").await.1;
    assert_eq!(failed["status"], "failed");
    let detail = text(&failed, "status_detail");
    assert!(
        detail.contains("300 MiB") && detail.contains("worker.memory_bytes"),
        "{detail}"
    );
    let id = submit(&server, "a", json!({})).await;
    until("its job is told to be impossible", || async {
        let job = server.get_job(&id).await;
        (job["queue"]["possible"] == false).then_some(())
    })
    .await;
    let done = server.wait(&submit(&server, "b", json!({})).await).await;
    assert_eq!(done["status"], "succeeded");
    println!("a model of 300 MiB in 100 MiB: {detail}");
}
