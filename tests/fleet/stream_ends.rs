//! S5: event streams end soon after what opened them: a token that is revoked, a login that is ended, a user who
//! is disabled. The stream is open at one API, and the end is told to the other one.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, Response};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::town::{Proof, Town};

/// Streams a proof.
const STREAMS: usize = 8;
/// What is promised.
const PROMISED: Duration = Duration::from_secs(5);

/// Streams of a job that waits for ever, opened at the first API.
struct Streams(JoinSet<Instant>);

impl Streams {
    async fn open(town: &Town, proof: &Proof) -> Self {
        let job = json!({"model": "echo", "input": {}});
        let submit = town.clients.request(0, proof, Method::POST, "/v1/jobs");
        let (status, job) = town.clients.ask(submit.json(&job)).await;
        assert_eq!(status, 202, "{job}");
        let path = format!("/v1/jobs/{}/events", job["id"].as_str().expect("an id"));
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let request = town.clients.request(0, proof, Method::GET, &path);
            let stream = request.send().await.expect("an answer");
            assert_eq!(stream.status().as_u16(), 200);
            streams.spawn(read_to_the_end(stream));
        }
        Self(streams)
    }

    /// Waits until all have ended; how long after `since` the last did.
    async fn ended(self, since: Instant) -> Duration {
        let ends = timeout(4 * PROMISED, self.0.join_all()).await;
        let ends = ends.expect("the streams end");
        ends.iter().map(|end| *end - since).max().unwrap_or_default()
    }

    fn open_ones(&mut self) -> usize {
        while self.0.try_join_next().is_some() {}
        self.0.len()
    }
}

async fn read_to_the_end(stream: Response) -> Instant {
    let mut bytes = stream.bytes_stream();
    while let Some(Ok(_)) = bytes.next().await {}
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_streams_end_with_what_opened_them() {
    let town = Town::begin("S5 streams", "cache.quarantine=return(wait 0)", |builder| builder).await;
    let scopes = ["jobs:read", "jobs:write"];
    let owner = town.owner();
    let token = town.token(0, &owner, &scopes).await;
    let (leaver, victim) = (town.person("user").await, town.person("user").await);
    let victims = town.token(0, &victim.session, &scopes).await;
    let mut untouched = Streams::open(&town, &owner).await;
    let mut took = Vec::new();

    let streams = Streams::open(&town, &token.proof).await;
    town.revoke(1, &token).await;
    took.push(("a revoked token", streams.ended(Instant::now()).await));

    let streams = Streams::open(&town, &leaver.session).await;
    town.order_as(1, &leaver.session, (Method::DELETE, "/v1/session", None))
        .await;
    took.push(("a logout", streams.ended(Instant::now()).await));

    let both = [
        Streams::open(&town, &victim.session).await,
        Streams::open(&town, &victims.proof).await,
    ];
    let path = format!("/v1/users/{}", victim.id);
    town.order(1, Method::PATCH, &path, Some(json!({"disabled": true})))
        .await;
    let since = Instant::now();
    for streams in both {
        took.push(("a disabled user", streams.ended(since).await));
    }
    let left = untouched.open_ones();
    println!("S5 streams: {STREAMS} each ended after {took:?}; {left} of {STREAMS} of another token go on");
    assert!(took.iter().all(|(_, took)| *took <= PROMISED), "{took:?}");
    assert_eq!(left, STREAMS);
}
