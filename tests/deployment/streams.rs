//! Answers that take their time pass through nginx as they come: events at once, waits to their end.

use std::{
    io::{Read, Write},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use futures::StreamExt;
use lamplighter_testkit::{api::Api, http_client};
use serde_json::{Value, json};

use crate::stack::Stack;

const CHUNKS: usize = 5;
/// How long after it was published a chunk may come. What is usual is printed; a test's machine is busy.
const LATE: Duration = Duration::from_millis(500);

fn slow_job() -> Value {
    // 400 ms between two chunks: whoever holds them back until the end is found out.
    json!({"model": "echo", "input": {"sleep_ms": 2000, "chunks": CHUNKS}})
}

/// When each chunk came.
async fn listen(api: &Api, job: &str) -> Vec<Instant> {
    let mut events = api.events(job, None).await.expect("a stream");
    let mut came = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap_or_else(|broken| panic!("{}", broken.0));
        if event.name == "output" {
            came.push(Instant::now());
        }
    }
    came
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_through_as_they_are_published() {
    let stack = Stack::shared();
    let (through, direct) = (stack.through_nginx(), stack.directly("api-1"));
    let job = direct.post_job(&slow_job()).await;
    let id = job["id"].as_str().expect("an id");
    let published = publications(stack, id);
    let (through, direct) = tokio::join!(listen(&through, id), listen(&direct, id));
    let published = published.join().expect("Redis tells what is published");
    assert_eq!((through.len(), direct.len()), (CHUNKS, CHUNKS));
    let late = |than: &[Instant]| -> Vec<Duration> {
        let pairs = through.iter().zip(than);
        pairs
            .map(|(came, than)| came.saturating_duration_since(*than))
            .collect()
    };
    let (after, behind) = (late(&published), late(&direct));
    println!(
        "the first chunk came {:.1} ms after it was published, each within {:.1} ms; at most {:.1} ms later than past nginx",
        millis(after.first()),
        millis(after.iter().max()),
        millis(behind.iter().max())
    );
    assert!(
        after.iter().chain(&behind).all(|late| *late < LATE),
        "{after:?} {behind:?}"
    );
}

fn millis(duration: Option<&Duration>) -> f64 {
    duration.expect("there are chunks").as_secs_f64() * 1000.0
}

/// When each chunk of a job was published: what a subscriber of Redis sees.
fn publications(stack: &Stack, job: &str) -> JoinHandle<Vec<Instant>> {
    let mut redis = stack.redis();
    redis
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    redis
        .write_all(b"PSUBSCRIBE lamplighter:*\r\n")
        .expect("Redis listens");
    let job = job.to_owned();
    std::thread::spawn(move || {
        let (mut said, mut buffer, mut came) = (Vec::new(), [0; 65536], Vec::new());
        while came.len() < CHUNKS {
            let count = redis.read(&mut buffer).expect("Redis goes on");
            let now = Instant::now();
            said.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&said);
            // Other tests' jobs tell things, too.
            let of_job = text.split("pmessage").filter(|message| message.contains(&job));
            let of_job = of_job.collect::<String>();
            while came.len() < CHUNKS && of_job.contains(&format!("chunk {}", came.len())) {
                came.push(now);
            }
        }
        came
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_streams_at_once_is_not_held_back_either() {
    let api = Stack::shared().through_nginx();
    let request = api
        .request(reqwest::Method::POST, "/v1/jobs")
        .header("accept", "text/event-stream")
        .json(&slow_job());
    let response = request.send().await.expect("an answer");
    assert!(response.status().is_success(), "{}", response.status());
    assert!(
        response.headers().get("x-accel-buffering").is_none(),
        "that is between the API and nginx"
    );
    let mut body = response.bytes_stream();
    let mut first_chunk = None;
    let mut text = String::new();
    while let Some(bytes) = body.next().await {
        text.push_str(&String::from_utf8_lossy(&bytes.expect("the stream goes on")));
        if text.contains("event: output") {
            first_chunk.get_or_insert_with(Instant::now);
        }
    }
    assert!(text.contains("event: done"), "{text}");
    let ahead = first_chunk.expect("chunks").elapsed();
    println!("the first chunk came {} ms before the end", ahead.as_millis());
    assert!(ahead > Duration::from_millis(800), "{ahead:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_passes_through() {
    let api = Stack::shared().through_nginx();
    let request = api
        .request(reqwest::Method::POST, "/v1/jobs")
        .header("prefer", "wait=60")
        .json(&json!({"model": "echo", "input": {"sleep_ms": 1500}}));
    let started = Instant::now();
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status().as_u16(), 200);
    assert!(started.elapsed() >= Duration::from_millis(1400));
    let job: Value = response.json().await.expect("a job");
    assert_eq!(job["status"], "succeeded", "{job}");
    // The longest wait there is fits between the other limits.
    let conf = std::fs::read_to_string(crate::compose::file("nginx.conf")).expect("nginx.conf");
    assert!(conf.contains("proxy_read_timeout 75s;"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_and_closed_connections_leave_nothing_behind() {
    let stack = Stack::shared();
    let (api, http) = (stack.through_nginx(), http_client());
    // A listener that hangs up: the API must notice through nginx, or its slots would run out.
    let job = api
        .post_job(&json!({"model": "echo", "input": {"sleep_ms": 3000}}))
        .await;
    let id = job["id"].as_str().expect("an id");
    for _ in 0..20 {
        let events = api.events(id, None).await.expect("a stream");
        drop(events);
    }
    let health = http
        .get(api.url("/healthz"))
        .version(reqwest::Version::HTTP_10)
        .send()
        .await;
    assert_eq!(health.expect("an answer").status().as_u16(), 200);
    assert_eq!(api.wait(id).await["status"], "succeeded");
}
