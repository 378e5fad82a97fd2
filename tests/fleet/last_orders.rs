//! A worker that is asked to end does so in time, with all its places taken and everything it talks to gone.

use std::time::{Duration, Instant};

use lamplighter_testkit::{fleet::Fleet, postgres};
use serde_json::json;
use tokio::time::sleep;

use crate::support::PROGRAM;

const CATALOGUE: &str =
    "[[model]]\nid = \"wide\"\ntask = \"echo\"\nfamily = \"echo\"\n[model.limits]\nmax_batch_jobs = 64\n";
const GRACE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn it_ends_with_64_jobs_in_hand_and_neither_redis_nor_postgres() {
    let mut fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(1)
        .models(["wide"])
        .catalogue(CATALOGUE)
        .config(&format!(
            "[server]\ngrace_seconds = {}\n[jobs]\nlease_seconds = 4\nheartbeat_seconds = 1\nreap_confirm_seconds = 2\n",
            GRACE.as_secs()
        ))
        .own_postgres(postgres::Options::default())
        .start()
        .await;
    let api = fleet.api(0);
    let job = json!({"model": "wide", "input": {"sleep_ms": 2000}});
    let submit = async || api.post_job(&job).await["id"].as_str().expect("an id").to_owned();
    let ids = futures::future::join_all((0..64).map(|_| submit())).await;
    let sql = fleet.sql();
    let began = Instant::now();
    let in_hand = "SELECT count(*) FROM jobs WHERE state = 'processing'";
    while sql.number(in_hand).await < 64 {
        assert!(began.elapsed() < Duration::from_secs(10), "64 at once");
        sleep(Duration::from_millis(5)).await;
    }
    // Silence is worse than an error: nothing is refused, nothing answers.
    fleet.redis.as_ref().expect("a Redis").pause();
    fleet.postgres().pause();
    let began = Instant::now();
    fleet.workers[0].sigterm();
    fleet.workers[0].wait_exit(GRACE + Duration::from_secs(10)).await;
    let took = began.elapsed();
    fleet.postgres().resume();
    fleet.redis.as_ref().expect("a Redis").resume();
    println!("scenario=last_orders jobs=64 grace={GRACE:?} ended_after={took:?}");
    assert!(took < GRACE + Duration::from_secs(5), "{took:?}");
    // Nobody could write how they ended: another worker runs them again when their leases are over.
    fleet.workers[0].restart().await;
    for id in ids {
        assert_eq!(api.wait(&id).await["status"], "succeeded");
    }
}
