//! One API dies: what only reads goes on without a fault, and nothing is submitted twice.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::Stack;

/// Jobs sent while an API dies.
const JOBS: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_and_posts_are_not_doubled_when_an_api_dies() {
    let mut stack = Stack::start("failover");
    let api = stack.through_nginx();
    let seed = api.post_job(&json!({"model": "echo", "input": {}})).await;
    let path = format!("/v1/jobs/{}", seed["id"].as_str().expect("an id"));

    let reads = {
        let (api, path) = (api.clone(), path.clone());
        tokio::spawn(async move {
            let (mut good, end) = (0, Instant::now() + Duration::from_secs(4));
            while Instant::now() < end {
                let (status, body) = api.get(&path).await;
                assert_eq!(status.as_u16(), 200, "after {good} good ones: {body}");
                good += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            good
        })
    };
    let posts = {
        let api = api.clone();
        tokio::spawn(async move {
            let (mut accepted, mut refused) = (0, 0);
            for number in 0..JOBS {
                // Without a key: a second delivery of this request would be a second job.
                let body = json!({"model": "echo", "input": {"number": number}});
                let response = api.request(Method::POST, "/v1/jobs").json(&body).send().await;
                let response = response.expect("nginx answers");
                match response.status().as_u16() {
                    202 => accepted += 1,
                    503 => {
                        assert!(response.headers().contains_key("retry-after"));
                        let problem: Value = response.json().await.expect("JSON");
                        assert_eq!(problem["code"], "unavailable");
                        refused += 1;
                    }
                    status => panic!("{status}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (accepted, refused)
        })
    };
    tokio::time::sleep(Duration::from_millis(700)).await;
    stack.kill9("api-1");
    let good = reads.await.expect("every read was answered");
    let (accepted, refused) = posts.await.expect("every post was answered");
    println!("{good} reads: all good; {JOBS} posts: {accepted} accepted, {refused} told to try again");
    assert!(good > 50);
    // Each of a kept connection and two refusals of a port before nginx leaves it alone.
    assert!(refused <= JOBS / 4, "{refused} of {JOBS}");

    let mut seen = vec![0; JOBS];
    let mut cursor = String::new();
    loop {
        let (status, page) = api
            .get(&format!("/v1/jobs?limit=100&include=input{cursor}"))
            .await;
        assert_eq!(status.as_u16(), 200, "{page}");
        for job in page["data"].as_array().expect("jobs") {
            let id = job["id"].as_str().expect("an id");
            let job = api.get_job(id).await;
            if let Some(number) = job["input"]["number"].as_u64() {
                seen[usize::try_from(number).expect("small")] += 1;
            }
        }
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    let doubled = seen.iter().filter(|times| **times > 1).count();
    let stored = seen.iter().filter(|times| **times > 0).count();
    println!("{stored} stored, {doubled} twice");
    assert_eq!(doubled, 0);
    assert!(stored >= accepted && stored <= accepted + refused, "{stored}");

    let passed_on = reads_of_people_go_on(&stack).await;
    println!("{passed_on} reads of the account, all good, until one was passed on from the dead API");

    // It comes back, and nginx finds it again.
    stack.start_again("api-1");
    let end = Instant::now() + Duration::from_secs(15);
    let count = || {
        let address = stack.directly("api-1").address();
        let log = stack.nginx().access_log();
        log.iter()
            .filter(|line| line.contains(&format!("\"upstream\":\"{address}\"")))
            .count()
    };
    let before = count();
    while count() == before {
        assert!(Instant::now() < end, "nginx never asks it again");
        assert_eq!(api.get("/healthz").await.0.as_u16(), 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is about people goes another way through nginx: reads it until one came to the API that is dead first, and
/// says how many that were.
async fn reads_of_people_go_on(stack: &Stack) -> usize {
    let (api, dead) = (stack.through_nginx(), stack.directly("api-1").address());
    let end = Instant::now() + Duration::from_secs(60);
    let passed_on = || {
        let first = format!("\"upstream\":\"{dead}, ");
        let log = stack.nginx().access_log();
        log.iter()
            .any(|line| line.contains("\"path\":\"/v1/account\"") && line.contains(&first))
    };
    let mut good = 0;
    while !passed_on() {
        assert!(Instant::now() < end, "nginx never asks it");
        let (status, body) = api.get("/v1/account").await;
        assert_eq!(status.as_u16(), 200, "after {good} good ones: {body}");
        good += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    good
}
