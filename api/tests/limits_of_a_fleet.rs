//! Limits of a fleet: two APIs over one Postgres and one Redis. Quotas are exact whatever becomes of Redis; the
//! rate is exact with it, and without it never twice what the plan says.

mod nodes;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_api::auth::scope::Scope;
use lamplighter_shared::{config::Config, plan::Plan};
use lamplighter_testkit::{postgres::Postgres, redis};
use poem::{
    Endpoint, EndpointExt, Request, Response,
    endpoint::BoxEndpoint,
    http::{Method, StatusCode},
};
use tokio::task::JoinSet;

type Api = Arc<BoxEndpoint<'static>>;

struct World {
    server: redis::Redis,
    nodes: Vec<Api>,
    token: String,
}

impl World {
    async fn new(change: impl FnOnce(&mut Plan)) -> Self {
        let url = Postgres::shared().create_database().1;
        let server = redis::Redis::start();
        let mut config = Config::default();
        change(config.plans.get_mut("unlimited").expect("the plan"));
        let states = nodes::two(&url, &server.url(), config).await;
        let scopes = [Scope::JobsRead, Scope::JobsWrite];
        let (_, token) = nodes::user(&states[0], "owner@example.org", &scopes).await;
        let nodes = states
            .map(|state| Arc::new(lamplighter_api::build(state).boxed()))
            .to_vec();
        Self { server, nodes, token }
    }

    fn request(&self, method: Method, path: &str) -> poem::RequestBuilder {
        Request::builder()
            .method(method)
            .uri_str(path)
            .header("authorization", format!("Bearer {}", self.token))
    }

    /// Sends so many submits at once, to both nodes in turn; the answers, and how long each took.
    async fn submit(&self, count: usize) -> Vec<(Response, Duration)> {
        let mut all = JoinSet::new();
        for i in 0..count {
            let api = self.nodes[i % 2].clone();
            let request = self
                .request(Method::POST, "/v1/jobs")
                .content_type("application/json")
                .body(r#"{"model":"echo","input":{}}"#);
            all.spawn(async move {
                let start = Instant::now();
                (api.get_response(request).await, start.elapsed())
            });
        }
        all.join_all().await
    }

    /// Asks as fast as it can for so long, at both nodes; how often it was let through.
    async fn ask_for(&self, time: Duration) -> u32 {
        let (start, mut passed) = (Instant::now(), 0);
        while start.elapsed() < time {
            for api in &self.nodes {
                let answer = api
                    .get_response(self.request(Method::GET, "/v1/jobs?limit=1").finish())
                    .await;
                match answer.status() {
                    StatusCode::OK => passed += 1,
                    StatusCode::TOO_MANY_REQUESTS => {
                        assert!(answer.headers().contains_key("retry-after"));
                    }
                    other => panic!("{other}"),
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        passed
    }
}

fn count(answers: &[(Response, Duration)], status: StatusCode) -> usize {
    answers
        .iter()
        .filter(|(answer, _)| answer.status() == status)
        .count()
}

/// R6, R21: half of the submits come while Redis is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_submits_at_a_limit_of_fifty_store_fifty_with_and_without_redis() {
    let mut world = World::new(|plan| plan.jobs_per_day = 50).await;
    let mut answers = world.submit(40).await;
    world.server.kill9();
    answers.extend(world.submit(160).await);
    let stored = count(&answers, StatusCode::ACCEPTED);
    let refused: Vec<_> = answers
        .iter()
        .filter(|(answer, _)| answer.status() == StatusCode::TOO_MANY_REQUESTS)
        .collect();
    assert!(refused.iter().all(|(answer, _)| {
        answer.headers().contains_key("retry-after") && answer.headers().contains_key("ratelimit")
    }));
    println!(
        "R6: 200 submits of two APIs at a quota of 50, Redis killed after 40: {stored} stored, {} refused",
        refused.len()
    );
    assert_eq!((stored, refused.len()), (50, 150));
    world.server.restart();
    let more = world.submit(100).await;
    let mut times: Vec<_> = more.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    println!(
        "R21: 100 refusals at once: p50 {:?}, p99 {:?}; all with Retry-After",
        times[50], times[98]
    );
    assert_eq!(count(&more, StatusCode::TOO_MANY_REQUESTS), 100);
    assert!(times[98] < Duration::from_secs(2), "{:?}", times[98]);
}

/// R21: the burst of a rate, asked for by all at once, at two APIs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_requests_at_once_exactly_the_burst_of_fifty_gets_through() {
    let world = World::new(|plan| {
        // The next one is a minute away.
        plan.requests_per_minute = 1;
        plan.burst = 50;
    })
    .await;
    let answers = world.submit(200).await;
    let (passed, refused) = (
        count(&answers, StatusCode::ACCEPTED),
        count(&answers, StatusCode::TOO_MANY_REQUESTS),
    );
    println!(
        "R21 rate: 200 requests at once to two APIs at a burst of 50: {passed} let through, {refused} refused"
    );
    assert_eq!((passed, refused), (50, 150));
}

/// R7: 60 a minute and 40 at once; both APIs are asked for two seconds with Redis, and for three without.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_redis_the_rate_is_never_twice_what_the_plan_says() {
    let mut world = World::new(|plan| {
        plan.requests_per_minute = 60;
        plan.burst = 40;
    })
    .await;
    let start = Instant::now();
    let with = world.ask_for(Duration::from_secs(2)).await;
    let exact = 40.0 + start.elapsed().as_secs_f64();
    assert!(f64::from(with) <= exact + 1.0, "{with} of {exact}");
    world.server.kill9();
    let without = world.ask_for(Duration::from_secs(3)).await;
    let allowed = 40.0 + start.elapsed().as_secs_f64();
    println!(
        "R7: at 60 a minute + 40 two APIs let {with} through with Redis, and {without} more after its end; the plan \
         says {allowed:.0}: {:.2} times",
        f64::from(with + without) / allowed
    );
    assert!(without > 0, "nobody is locked out");
    assert!(f64::from(with + without) <= 2.0 * allowed, "{with} + {without}");
}
