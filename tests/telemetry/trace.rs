//! One trace leads from a request to the process of the model.

use lamplighter_testkit::fleet::{Fleet, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{PROGRAM, until};

/// Lines of a node's log in the span `name` with this trace.
fn lines(node: &Node, name: &str, trace_id: &str) -> Vec<Value> {
    let log = node.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fits = |line: &Value| {
        let span = |span: &Value| span["name"] == name && span["trace_id"] == trace_id;
        line["spans"]
            .as_array()
            .is_some_and(|spans| spans.iter().any(span))
    };
    lines.filter(fits).collect()
}

#[tokio::test]
async fn one_trace_leads_from_the_request_to_the_model() {
    let fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(1)
        .env("LAMPLIGHTER_LOG_FORMAT", "json")
        // Everything, other people's crates included.
        .env("LAMPLIGHTER_LOG", "debug")
        .start()
        .await;
    let (api, front, back) = (fleet.api(0), &fleet.apis[0], &fleet.workers[0]);
    let trace_id = format!("{:032x}", rand::random::<u128>() | 1);
    let job = json!({"model": "echo", "input": {"text": "a secret text", "sleep_ms": 20}});
    let answer = api
        .request(Method::POST, "/v1/jobs")
        .header("traceparent", format!("00-{trace_id}-00f067aa0ba902b7-01"))
        .header("tracestate", "vendor=1")
        .json(&job)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 202);
    let job: Value = answer.json().await.expect("a job");
    let id = job["id"].as_str().expect("an id");
    let done = api.wait(id).await;
    assert!(
        !done.to_string().contains(&trace_id),
        "the owner is not shown it: {done}"
    );
    let found = until("the trace stands in all three logs", async || {
        let found = [(front, "request"), (back, "run"), (back, "compute")]
            .map(|(node, span)| lines(node, span, &trace_id));
        found.iter().all(|lines| !lines.is_empty()).then_some(found)
    })
    .await;
    for (lines, place) in found.iter().zip(["api", "worker", "runner"]) {
        println!("{place}: {}", lines[0]);
    }
    let span = |lines: &[Value], name: &str| {
        let spans = lines[0]["spans"].as_array().expect("spans").clone();
        spans
            .into_iter()
            .find(|span| span["name"] == name)
            .expect("the span")
    };
    let run = span(&found[1], "run");
    assert_eq!((&run["job"], &run["epoch"]), (&json!(id), &json!(1)), "{run}");
    assert_eq!(run["worker"], json!("worker-0"), "{run}");
    let compute = span(&found[2], "compute");
    assert_eq!((&compute["job"], &compute["epoch"]), (&json!(id), &json!(1)));
    let places = [&span(&found[0], "request"), &run, &compute].map(|span| span["span_id"].clone());
    assert_ne!(places[0], places[1], "the run is below the request");
    let accepted = found[0].iter().any(|line| line["fields"]["job"] == json!(id));
    assert!(accepted, "the API says which job it was: {:?}", found[0]);
    // A job that nobody traced is traced as well, by an id of its own; neither inputs nor tokens are told.
    let other = api
        .post_job(&json!({"model": "echo", "input": {"text": "another secret text"}}))
        .await;
    api.wait(&other).await;
    for node in [front, back] {
        let log = node.log();
        println!("{}: {} lines", node.name(), log.lines().count());
        assert!(
            !log.contains("secret text") && !log.contains(fleet.token()),
            "{log}"
        );
    }
}
