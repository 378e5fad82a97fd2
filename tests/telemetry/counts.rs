//! Counts are what was done, in a form that Prometheus takes.

use futures::future::join_all;
use lamplighter_testkit::fleet::Fleet;
use serde_json::json;

use crate::{PROGRAM, prometheus::Scrape, until};

const JOBS: usize = 50;
#[tokio::test]
async fn counts_are_what_was_done() {
    let fleet = Fleet::builder(PROGRAM).apis(1).workers(1).start().await;
    let (api, front, back) = (fleet.api(0), &fleet.apis[0], &fleet.workers[0]);
    let (front_before, back_before) = (Scrape::of(front).await, Scrape::of(back).await);
    let job = json!({"model": "echo", "input": {"text": "counted"}});
    let jobs = join_all((0..JOBS).map(|_| async { api.wait(&api.post_job(&job).await).await })).await;
    assert!(jobs.iter().all(|job| job["status"] == "succeeded"));
    for number in 0..20 {
        let (status, _) = api.get(&format!("/v1/nowhere/{number}")).await;
        assert_eq!(status.as_u16(), 404);
    }
    let echo = [("model", "echo")];
    let done = [("model", "echo"), ("status", "succeeded")];
    // A client may see the end of a job a moment before it is counted.
    let back_now = until("all ends are counted", async || {
        let scrape = Scrape::of(back).await;
        (scrape.sum("jobs_total", &done) >= JOBS as f64).then_some(scrape)
    })
    .await;
    let front_now = Scrape::of(front).await;
    front_now.grew_from(&front_before);
    back_now.grew_from(&back_before);
    println!(
        "scenario=metrics seed={} jobs={} series_api={} series_worker={}",
        fleet.seed(),
        back_now.sum("jobs_total", &[]),
        front_now.series(),
        back_now.series()
    );
    let jobs = JOBS as f64;
    for name in [
        "job_run_seconds_count",
        "job_queue_seconds_count",
        "batch_wait_seconds_count",
    ] {
        assert_eq!(back_now.sum(name, &echo), jobs, "{name}");
    }
    assert_eq!(back_now.sum("jobs_total", &[]), jobs);
    let batches = back_now.sum("batch_size_count", &echo);
    assert!((1.0..=jobs).contains(&batches), "{batches}");
    assert_eq!(back_now.sum("model_load_seconds_count", &echo), 1.0);
    assert_eq!(back_now.sum("stale_result_rejected_total", &[]), 0.0);
    assert_eq!(back_now.sum("lease_losses_total", &[]), 0.0);
    assert!(back_now.sum("gpu_memory_bytes", &[("kind", "budget")]) > 0.0);
    let ratio = back_now.sum("worker_busy_ratio", &echo);
    assert!((0.0..=1.0).contains(&ratio), "{ratio}");
    let created = [("operation", "createJob"), ("status", "202")];
    assert_eq!(front_now.sum("http_requests_total", &created), jobs);
    let seconds = front_now.sum("http_request_seconds_count", &[("operation", "createJob")]);
    assert_eq!(seconds, jobs);
    let nowhere = [("operation", "other"), ("status", "404")];
    assert_eq!(front_now.sum("http_requests_total", &nowhere), 20.0);
    assert_eq!(front_now.sum("build_info", &[]), 1.0);
    queues_and_streams(&fleet).await;
}

/// What only an API tells: it reads it when it is asked.
async fn queues_and_streams(fleet: &Fleet) {
    let (api, front, back) = (fleet.api(0), &fleet.apis[0], &fleet.workers[0]);
    until("the queue is empty and the worker active", async || {
        let scrape = Scrape::of(front).await;
        let idle = scrape.sum("queue_depth", &[]) == 0.0;
        (idle && scrape.sum("workers", &[("state", "active")]) == 1.0).then_some(())
    })
    .await;
    back.pause();
    let mut ids = Vec::new();
    for (count, priority) in [(3, "normal"), (2, "low")] {
        for _ in 0..count {
            let job = json!({"model": "echo", "input": {"text": "waits"}, "priority": priority});
            ids.push(api.post_job(&job).await["id"].as_str().expect("an id").to_owned());
        }
    }
    let stream = api.events(&ids[0], None).await.expect("a stream");
    let waiting = |priority| [("model", "echo"), ("priority", priority)];
    until("five jobs wait, one stream is open", async || {
        let scrape = Scrape::of(front).await;
        let depth = ["low", "normal", "high"].map(|p| scrape.sum("queue_depth", &waiting(p)));
        let oldest = scrape.sum("queue_oldest_seconds", &[("model", "echo")]);
        (depth == [2.0, 3.0, 0.0] && oldest > 0.0 && scrape.sum("sse_clients", &[]) == 1.0).then_some(())
    })
    .await;
    let canceled = [("model", "echo"), ("status", "canceled")];
    for _ in 0..2 {
        // Twice asked is once done.
        let (status, _) = api
            .post(&format!("/v1/jobs/{}/cancel", ids[4]), &json!(null))
            .await;
        assert_eq!(status.as_u16(), 200);
    }
    assert_eq!(Scrape::of(front).await.sum("jobs_total", &canceled), 1.0);
    back.resume();
    drop(stream);
    for id in &ids {
        api.wait(id.as_str()).await;
    }
    until("nothing waits any more, no stream is open", async || {
        let scrape = Scrape::of(front).await;
        (scrape.sum("queue_depth", &[]) + scrape.sum("sse_clients", &[]) == 0.0).then_some(())
    })
    .await;
}
