//! What a job tells of its runs, and where it does not.

mod support;

use lamplighter_shared::{db::finish::Outcome, error::ErrorCode, job::JobError};
use serde_json::{Value, json};
use support::World;

/// The run, without its times, which have to be in order.
fn told(job: &Value) -> Vec<Value> {
    let mut now = job["created_at"].as_str().expect("a time").to_owned();
    let mut runs = job["attempts"].as_array().expect("a list").clone();
    for run in &mut runs {
        for field in ["started_at", "ended_at"] {
            let Some(time) = run.as_object_mut().expect("an object").remove(field) else {
                continue;
            };
            let time = time.as_str().expect("a time").to_owned();
            assert!(now <= time, "{job}");
            now = time;
        }
    }
    runs
}

#[tokio::test]
async fn a_job_tells_of_each_of_its_runs() {
    let world = World::new().await;
    let id = world.echo().await;
    let path = format!("/v1/jobs/{id}");
    assert_eq!(world.get(&path).await.json()["attempts"], json!([]));

    let run = world.claim().await;
    let job = world.get(&path).await.json();
    assert_eq!(told(&job), [json!({"number": 1, "worker": "w"})]);
    assert_eq!(job["attempts"][0]["started_at"], job["started_at"]);
    world.finish(run, Outcome::HandedBack { solo: false }, 0).await;
    let crash = JobError::new(ErrorCode::WorkerCrashed, "bang");
    let run = world.claim().await;
    world.finish(run, Outcome::Crashed(crash), 0).await;
    let late = JobError::new(ErrorCode::Timeout, "late");
    let run = world.claim().await;
    world.finish(run, Outcome::Failed(late), 0).await;

    let job = world.get(&path).await.json();
    let outcomes = ["handed_back", "crashed", "timed_out"];
    let wanted: Vec<_> = (1..)
        .zip(outcomes)
        .map(|(number, outcome)| json!({"number": number, "worker": "w", "outcome": outcome}))
        .collect();
    assert_eq!(told(&job), wanted);
    assert_eq!(job["attempts"][2]["ended_at"], job["completed_at"]);
    assert_eq!(job["attempt"], 2, "what was handed back does not count");

    let again = world.post(&format!("{path}/retry")).await.json();
    assert_eq!(again["attempts"], json!([]), "a new job has runs of its own");
}

#[tokio::test]
async fn what_is_canceled_before_it_runs_has_no_runs() {
    let world = World::new().await;
    let id = world.echo().await;
    let canceled = world.post(&format!("/v1/jobs/{id}/cancel")).await.json();
    assert_eq!(canceled["attempts"], json!([]));
}
