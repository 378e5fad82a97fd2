//! R21: a greedy user beside others, at two APIs over one Postgres. A share can't queue more than its plan allows,
//! all together no more than the installation takes, and who comes later does not stand behind what a greedy
//! one has waiting.

mod nodes;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_api::{ApiState, auth::scope::Scope};
use lamplighter_shared::{
    config::Config,
    db::claim::{Claimer, claim},
    id::UserId,
};
use lamplighter_testkit::{postgres::Postgres, redis::Redis, scenario::sized};
use poem::{Endpoint, EndpointExt, Request, Response, endpoint::BoxEndpoint, http::StatusCode};
use tokio::task::JoinSet;
use uuid::Uuid;

type Api = Arc<BoxEndpoint<'static>>;

/// Who submits at once.
const SENDERS: usize = 32;
/// Jobs of each of the others.
const OTHERS: usize = 20;

async fn submit(api: &Api, token: &str) -> Response {
    let request = Request::builder()
        .method(poem::http::Method::POST)
        .uri_str("/v1/jobs")
        .header("authorization", format!("Bearer {token}"))
        .content_type("application/json")
        .body(r#"{"model":"echo","input":{}}"#);
    api.get_response(request).await
}

/// Submits so many jobs at both nodes, several at a time: how often each status was answered. Every refusal says
/// when to come again.
async fn submit_all(apis: &[Api; 2], token: &str, count: usize) -> HashMap<StatusCode, usize> {
    let mut sending = JoinSet::new();
    for sender in 0..SENDERS.min(count) {
        let (apis, token) = (apis.clone(), token.to_owned());
        sending.spawn(async move {
            let mut statuses = HashMap::<StatusCode, usize>::new();
            for n in (sender..count).step_by(SENDERS) {
                let answer = submit(&apis[n % 2], &token).await;
                let (status, again) = (answer.status(), answer.headers().contains_key("retry-after"));
                assert!(status == StatusCode::ACCEPTED || again, "{status}");
                *statuses.entry(status).or_default() += 1;
            }
            statuses
        });
    }
    let mut sum = HashMap::<StatusCode, usize>::new();
    for (status, count) in sending.join_all().await.into_iter().flatten() {
        *sum.entry(status).or_default() += count;
    }
    sum
}

/// Whose job each of the next is, in the order in which a worker gets them, one at a time.
async fn order(state: &ApiState, count: usize) -> Vec<UserId> {
    let claimer = Claimer {
        boot: Uuid::now_v7(),
        worker: "w".to_owned(),
        lease: Duration::from_secs(60),
    };
    let mut owners = Vec::new();
    for _ in 0..count {
        let mut claimed = claim(&state.db, "echo", 1, &claimer).await.expect("claimed");
        let job = claimed.pop().expect("a job waits").job;
        owners.push(job.owner);
    }
    owners
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r21_others_wait_no_longer_than_twice_their_fair_share_beside_a_greedy_user() {
    let greedy_most = sized(1000, 10_000);
    let (url, redis) = (Postgres::shared().create_database().1, Redis::start());
    let mut config = Config::default();
    config.plans.get_mut("unlimited").expect("the plan").waiting =
        u32::try_from(greedy_most).expect("a small number");
    config.limits.waiting = (greedy_most + 2 * OTHERS) as u64;
    let states = nodes::two(&url, &redis.url(), config).await;
    let state = states[0].clone();
    let scopes = [Scope::JobsWrite];
    let (greedy, greedy_token) = nodes::user(&state, "greedy@example.org", &scopes).await;
    let (one, one_token) = nodes::user(&state, "one@example.org", &scopes).await;
    let (two, two_token) = nodes::user(&state, "two@example.org", &scopes).await;
    let apis = states.map(|state| Arc::new(lamplighter_api::build(state).boxed()));

    let began = Instant::now();
    let answers = submit_all(&apis, &greedy_token, greedy_most + 100).await;
    let took = began.elapsed();
    let count = |answers: &HashMap<StatusCode, usize>, status| answers.get(&status).copied().unwrap_or(0);
    let stored = count(&answers, StatusCode::ACCEPTED);
    let refused = count(&answers, StatusCode::TOO_MANY_REQUESTS);
    println!(
        "R21 cap of a share: {} submits of one user in {took:?}, {stored} stored of {greedy_most}, {refused} told 429",
        greedy_most + 100
    );
    assert_eq!((stored, refused), (greedy_most, 100));

    for token in [&one_token, &two_token] {
        let answers = submit_all(&apis, token, OTHERS).await;
        assert_eq!(count(&answers, StatusCode::ACCEPTED), OTHERS, "{answers:?}");
    }
    // Each node asks for the sum once a second, and who comes in that very moment goes by the last one.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for api in &apis {
        assert_eq!(
            submit(api, &two_token).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    let answers = submit_all(&apis, &two_token, 20).await;
    let full = count(&answers, StatusCode::SERVICE_UNAVAILABLE);
    println!("R21 cap of all: 20 submits where all places are taken: {full} told 503");
    assert_eq!(full, 20, "{answers:?}");

    // Three that wait have a third each: the n-th job of one is due as the 3n-th.
    let owners = order(&state, 6 * OTHERS).await;
    let mut worst = 0.0_f64;
    for user in [one, two] {
        let places = owners.iter().enumerate().filter(|(_, owner)| **owner == user);
        let places: Vec<usize> = places.map(|(place, _)| place + 1).collect();
        assert_eq!(places.len(), OTHERS, "all within twice the share: {places:?}");
        let ratios = (1..)
            .zip(&places)
            .map(|(n, place)| *place as f64 / (3 * n) as f64);
        worst = ratios.fold(worst, f64::max);
    }
    let his = owners.iter().filter(|owner| **owner == greedy).count();
    println!(
        "R21 fairness: of two users' {OTHERS} jobs each, beside {greedy_most} of a greedy one, the latest came at \
         {worst:.2} times its fair place; the greedy one had {his} of the first {}",
        owners.len()
    );
    assert!(worst <= 2.0, "{worst}");
    assert!(his >= OTHERS, "nor does the greedy one starve: {his}");
}
