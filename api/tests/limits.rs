//! Plans as clients meet them: what is refused and how, what is charged and given back, what is told.

mod support;

use std::time::Duration;

use lamplighter_shared::{
    db::{
        audit::Origin,
        claim::{Claimer, claim},
        finish::Outcome,
        plans,
    },
    job::Priority,
    plan::Plan,
};
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Read, World, send};

/// A world whose owner has the plan `unlimited`, narrowed to this.
async fn narrowed(change: impl FnOnce(&mut Plan)) -> World {
    World::with(|config| change(config.plans.get_mut("unlimited").expect("the plan"))).await
}

async fn submit(world: &World, key: Option<&str>, body: Value) -> Read {
    let mut request = world.submission();
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    send(&world.api(), request.body(body.to_string())).await
}

fn echo() -> Value {
    json!({"model": "echo", "input": {}})
}

fn assert_quota(read: &Read, policy: &str) {
    assert_eq!(read.status, StatusCode::TOO_MANY_REQUESTS, "{}", read.text);
    let problem = read.json();
    assert_eq!(problem["code"], "quota_exceeded");
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], json!([policy]));
    let again: u64 = read.header("retry-after").parse().expect("seconds");
    let exactly: u64 = read.header("retry-after-ms").parse().expect("milliseconds");
    assert_eq!(exactly.div_ceil(1000), again);
    assert_eq!(read.header("x-should-retry"), "true");
}

#[tokio::test]
async fn quotas_refuse_what_is_too_much_and_take_back_what_never_ran() {
    let world = narrowed(|plan| {
        plan.jobs_per_hour = 3;
        plan.jobs_per_day = 100;
    })
    .await;
    let first = submit(&world, Some("a"), echo()).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text);
    assert!(first.header("ratelimit-policy").contains("\"hourly\";q=3;w=3600"));
    assert!(first.header("ratelimit").contains("\"hourly\";r=2;t="));
    assert!(first.header("ratelimit").contains("\"daily\";r=99;t="));
    // A repetition is not charged, however often.
    for _ in 0..5 {
        let again = submit(&world, Some("a"), echo()).await;
        assert_eq!(again.json()["id"], first.json()["id"]);
    }
    for _ in 0..2 {
        assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);
    }
    let refused = submit(&world, Some("b"), echo()).await;
    assert_quota(&refused, "hourly");
    assert!(refused.header("ratelimit").contains("\"hourly\";r=0;t="));
    assert_eq!(world.stored().await, 3);
    // What is canceled before it ran is given back; the refused job's key is free.
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(world.post(&format!("/v1/jobs/{id}/cancel")).await.status, 200);
    assert_eq!(
        submit(&world, Some("b"), echo()).await.status,
        StatusCode::ACCEPTED
    );
    assert_quota(&submit(&world, None, echo()).await, "hourly");
    // What ran is not.
    let run = world.claim().await;
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 0).await;
    assert_quota(&submit(&world, None, echo()).await, "hourly");
    println!("hourly quota of 3: 3 stored, 1 given back, 1 more stored, 3 refused, 5 repetitions free");
}

#[tokio::test]
async fn waiting_jobs_are_bounded_for_the_share_and_for_everybody() {
    let world = narrowed(|plan| plan.waiting = 2).await;
    for _ in 0..2 {
        assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);
    }
    let refused = submit(&world, None, echo()).await;
    assert_quota(&refused, "waiting");
    let policy = "\"waiting\";q=2;qu=\"concurrent-requests\"";
    assert!(refused.header("ratelimit-policy").contains(policy));
    assert!(refused.header("ratelimit").contains("\"waiting\";r=0;t="));
    world.claim().await;
    assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);

    let full = World::with(|config| config.limits.waiting = 2).await;
    for _ in 0..2 {
        assert_eq!(submit(&full, None, echo()).await.status, StatusCode::ACCEPTED);
    }
    // Before the body is looked at.
    let refused = send(&full.api(), full.submission().body("{")).await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        refused.text
    );
    assert_eq!(refused.json()["code"], "queue_full");
    assert_eq!(
        refused.json()["type"],
        "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
    );
    assert!(!refused.header("retry-after").is_empty());
    println!("waiting: 2 of 2 stored and the third refused, for a share and for all");
}

#[tokio::test]
async fn a_plan_says_which_priorities_jobs_may_have() {
    let world = narrowed(|plan| plan.priorities = vec![Priority::Low]).await;
    let refused = submit(&world, None, echo()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.json()["code"], "priority_not_allowed");
    let low = json!({"model": "echo", "input": {}, "priority": "low"});
    assert_eq!(submit(&world, None, low).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_admins_change_of_a_plan_counts_at_once_and_is_taken_back() {
    let world = World::new().await;
    let token = world.token_with(&["admin", "account:read", "jobs:write"]).await;
    let ask = async |method: Method, path: &str, body: Value| {
        let request = poem::Request::builder()
            .method(method)
            .uri_str(path)
            .header("authorization", format!("Bearer {token}"))
            .content_type("application/json");
        send(&world.api(), request.body(body.to_string())).await
    };
    let plans = ask(Method::GET, "/v1/plans", json!(null)).await.json();
    let names: Vec<&str> = plans["data"]
        .as_array()
        .expect("plans")
        .iter()
        .filter_map(|plan| plan["name"].as_str())
        .collect();
    assert_eq!(names, ["basic", "guest", "pro", "unlimited"]);
    let path = "/v1/plans/unlimited";
    let changed = ask(Method::PATCH, path, json!({"jobs_per_hour": 1, "weight": 3})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    assert_eq!(changed.json()["changed"], json!(["jobs_per_hour", "weight"]));
    assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);
    assert_quota(&submit(&world, None, echo()).await, "hourly");
    let back = ask(Method::PATCH, path, json!({"jobs_per_hour": null})).await;
    assert_eq!(back.json()["changed"], json!(["weight"]));
    assert_eq!(back.json()["jobs_per_hour"], 0);
    assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);
    for (body, pointer) in [
        (json!({"jobs_per_hour": -1}), "/jobs_per_hour"),
        (json!({"weight": 0}), "/weight"),
        (json!({"name": "x"}), "/name"),
        (json!({"priorities": []}), "/priorities"),
    ] {
        let read = ask(Method::PATCH, path, body).await;
        assert_eq!(read.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", read.text);
        assert_eq!(read.json()["errors"][0]["pointer"], pointer);
    }
    let missing = ask(Method::PATCH, "/v1/plans/none", json!({})).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let stored = plans::changes(&world.state.db).await.expect("changes");
    assert_eq!(stored["unlimited"].weight, Some(3));
}

/// What another process changed is known within seconds; here, before this one looked at all.
#[tokio::test]
async fn a_change_of_another_process_counts() {
    let world = World::new().await;
    let fields = json!({"jobs_per_hour": 1});
    let fields = fields.as_object().expect("fields");
    plans::change(&world.state.db, "unlimited", fields, &Origin::operator())
        .await
        .expect("changed");
    assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);
    assert_quota(&submit(&world, None, echo()).await, "hourly");
}

#[tokio::test]
async fn usage_tells_what_was_used_and_what_is_left() {
    let world = narrowed(|plan| plan.jobs_per_hour = 10).await;
    let token = world.token_with(&["account:read"]).await;
    let usage = async |query: &str| {
        let request = poem::Request::builder()
            .uri_str(format!("/v1/usage{query}"))
            .header("authorization", format!("Bearer {token}"));
        send(&world.api(), request.finish()).await
    };
    for _ in 0..3 {
        world.echo().await;
    }
    let run = world.claim().await;
    let output = json!({"usage": {"tokens": 14}}).to_string();
    world.finish(run, Outcome::Succeeded(output), 0).await;
    let run = world.claim().await;
    // A user may have written this: it is believed within reason.
    let output = json!({"usage": {"tokens": u64::MAX}}).to_string();
    world.finish(run, Outcome::Succeeded(output), 0).await;
    let read = usage("").await;
    assert_eq!(read.status, StatusCode::OK, "{}", read.text);
    let view = read.json();
    assert_eq!(
        (&view["used_this_hour"], &view["limit"], &view["remaining"]),
        (&json!(3), &json!(10), &json!(7))
    );
    assert_eq!(view["today"], json!({"used": 3}));
    assert_eq!(view["waiting"], json!({"used": 1}));
    assert_eq!(view["plan"], "unlimited");
    assert_eq!(view["totals"]["requests"], 2);
    assert_eq!(view["totals"]["tokens"], 1_000_000_014);
    for query in ["?group_by=model", "?grain=day&group_by=token&model=echo"] {
        let view = usage(query).await.json();
        assert_eq!(view["data"].as_array().map(Vec::len), Some(1), "{view}");
        assert_eq!(view["data"][0]["used"]["succeeded"], 2, "{view}");
    }
    assert_eq!(usage("?model=other").await.json()["data"], json!([]));
    for query in [
        "?grain=week",
        "?token=x",
        "?from=2000-01-01T00:00:00Z",
        "?from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z",
    ] {
        assert_eq!(usage(query).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn every_answer_tells_of_the_rate() {
    let world = World::with(|config| {
        let basic = config.plans["basic"].clone();
        config.plans.insert("unlimited".to_owned(), basic);
    })
    .await;
    for path in ["/v1/jobs", "/v1/jobs/job_x", "/v1/models"] {
        let read = world.get(path).await;
        let policy = read.header("ratelimit-policy");
        assert!(policy.contains("\"burst\";q=300;w=30"), "{path}: {policy}");
        assert!(
            policy.contains("\"inflight\";q=8;qu=\"concurrent-requests\""),
            "{path}: {policy}"
        );
        assert!(read.header("ratelimit").contains("\"burst\";r=29"), "{path}");
    }
    assert_eq!(world.get("/healthz").await.header("ratelimit"), "");
}

/// Whoever knows a key that was used must not be able to ask as often as they like with it.
#[tokio::test]
async fn repetitions_are_free_and_come_to_an_end_and_other_requests_with_their_key_cost() {
    let world = narrowed(|plan| {
        plan.requests_per_minute = 1;
        plan.burst = 3;
    })
    .await;
    assert_eq!(
        submit(&world, Some("k"), echo()).await.status,
        StatusCode::ACCEPTED
    );
    let (mut replayed, mut refused) = (0, 0);
    for _ in 0..40 {
        match submit(&world, Some("k"), echo()).await.status {
            StatusCode::ACCEPTED => replayed += 1,
            StatusCode::TOO_MANY_REQUESTS => refused += 1,
            other => panic!("{other}"),
        }
    }
    // Ten times the burst of three; the rate itself still has two.
    assert_eq!((replayed, refused), (30, 10));
    assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);

    let world = narrowed(|plan| {
        plan.requests_per_minute = 1;
        plan.burst = 3;
    })
    .await;
    assert_eq!(
        submit(&world, Some("k"), echo()).await.status,
        StatusCode::ACCEPTED
    );
    let (mut reused, mut limited) = (0, 0);
    for n in 0..20 {
        let other = json!({"model": "echo", "input": {"n": n}});
        match submit(&world, Some("k"), other).await.status {
            StatusCode::UNPROCESSABLE_ENTITY => reused += 1,
            StatusCode::TOO_MANY_REQUESTS => limited += 1,
            other => panic!("{other}"),
        }
    }
    println!(
        "R10 a known key: {replayed} of 40 repetitions free at a burst of 3; of 20 other bodies {reused} judged, {limited} limited"
    );
    assert_eq!((reused, limited), (2, 18));
}

#[tokio::test]
async fn a_repetition_gives_its_job_whatever_became_of_the_plan() {
    let world = World::new().await;
    let high = json!({"model": "echo", "input": {}, "priority": "high"});
    let first = submit(&world, Some("k"), high.clone()).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text);
    let fields = json!({"priorities": ["low"]});
    let fields = fields.as_object().expect("an object");
    let admin = world.token_with(&["admin"]).await;
    let request = poem::Request::builder()
        .method(Method::PATCH)
        .uri_str("/v1/plans/unlimited")
        .header("authorization", format!("Bearer {admin}"))
        .content_type("application/json");
    let changed = send(
        world.api(),
        request.body(Value::Object(fields.clone()).to_string()),
    )
    .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let again = submit(&world, Some("k"), high.clone()).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (StatusCode::ACCEPTED, "true"),
        "{}",
        again.text
    );
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_eq!(submit(&world, None, high).await.status, StatusCode::FORBIDDEN);
}

/// Limits of its own go on with what comes from a token: else it would have them anew with every token it makes.
#[tokio::test]
async fn a_token_s_own_quota_goes_on_with_its_children_and_whatever_takes_its_place() {
    let world = World::new().await;
    let limited = world
        .token_with(&["jobs:write", "tokens:write", "account:read"])
        .await;
    let as_token = async |token: &str, (method, path): (Method, &str), body: Value| {
        let request = poem::Request::builder()
            .method(method)
            .uri_str(path)
            .header("authorization", format!("Bearer {token}"))
            .content_type("application/json");
        send(world.api(), request.body(body.to_string())).await
    };
    let own = as_token(&limited, (Method::GET, "/v1/token"), json!({}))
        .await
        .json();
    let admin = world.token_with(&["admin"]).await;
    let path = format!(
        "/v1/users/{}/tokens/{}",
        world.owner.id,
        own["id"].as_str().expect("an id")
    );
    let grant = json!({"limits": {"jobs_per_day": 3}});
    let granted = as_token(&admin, (Method::PATCH, &path), grant).await;
    assert_eq!(granted.status, StatusCode::OK, "{}", granted.text);
    let (mut token, mut stored, mut refused) = (limited, 0, 0);
    for round in 0..3 {
        let child = json!({"name": "child", "scopes": ["jobs:write"], "expires_in_seconds": 600});
        let child = as_token(&token, (Method::POST, "/v1/tokens"), child).await.json();
        for text in [&token, &child["token"].as_str().expect("a token").to_owned()] {
            match as_token(text, (Method::POST, "/v1/jobs"), echo()).await.status {
                StatusCode::ACCEPTED => stored += 1,
                StatusCode::TOO_MANY_REQUESTS => refused += 1,
                other => panic!("{round}: {other}"),
            }
        }
        let own = as_token(&token, (Method::GET, "/v1/token"), json!({}))
            .await
            .json();
        let rotate = format!("/v1/tokens/{}/rotate", own["id"].as_str().expect("an id"));
        let next = as_token(&token, (Method::POST, &rotate), json!({})).await.json();
        token = next["token"].as_str().expect("a token").to_owned();
    }
    println!(
        "R21 a token's own quota of 3, over 3 rotations and 3 children: {stored} stored, {refused} refused"
    );
    assert_eq!((stored, refused), (3, 3));
}

/// What an administrator took away holds from the first request after a start on, however many come at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_plans_hold_from_the_first_request_on() {
    let world = World::new().await;
    let fields = json!({"jobs_per_hour": 1});
    let fields = fields.as_object().expect("an object").clone();
    let changed = plans::change(&world.state.db, "unlimited", &fields, &Origin::operator()).await;
    changed.expect("changed");
    let fresh = std::sync::Arc::new(lamplighter_api::build(world.state.clone()));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (api, request) = (fresh.clone(), world.submission().body(echo().to_string()));
        all.spawn(async move { send(&*api, request).await.status });
    }
    let statuses = all.join_all().await;
    let stored = statuses
        .iter()
        .filter(|status| **status == StatusCode::ACCEPTED)
        .count();
    println!("R21 after a start: {stored} of 60 at once stored at a changed quota of 1");
    assert_eq!(stored, 1);
}

/// Claims what may run on `echo`; how many that were.
async fn claimable(world: &World) -> usize {
    let claimer = Claimer {
        boot: world.boot,
        worker: "w".to_owned(),
        lease: Duration::from_secs(10),
    };
    let claimed = claim(&world.state.db, "echo", 10, &claimer).await;
    claimed.expect("claimed").len()
}

/// A cap that changes holds for what waits already.
#[tokio::test]
async fn a_changed_cap_of_running_jobs_holds_for_those_that_wait() {
    let world = narrowed(|plan| plan.running = 4).await;
    for _ in 0..6 {
        assert_eq!(submit(&world, None, echo()).await.status, StatusCode::ACCEPTED);
    }
    let first = world.claim().await;
    let admin = world.token_with(&["admin"]).await;
    let request = poem::Request::builder()
        .method(Method::PATCH)
        .uri_str("/v1/plans/unlimited")
        .header("authorization", format!("Bearer {admin}"))
        .content_type("application/json");
    let changed = send(world.api(), request.body(json!({"running": 1}).to_string())).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    assert_eq!(claimable(&world).await, 0, "one runs, and one may");
    world.finish(first, Outcome::Succeeded("{}".to_owned()), 0).await;
    assert_eq!(claimable(&world).await, 1);
}
