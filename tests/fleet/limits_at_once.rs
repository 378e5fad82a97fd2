//! R21: limits are exact over API processes: of 200 requests at once to two of them, exactly as many get through
//! as the quota, or the burst of the rate, allows.

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::town::{Proof, Town};

const AT_ONCE: usize = 200;
const LIMIT: usize = 50;
/// `basic` has a quota and no rate, `pro` a rate and no quota; the next one of it is a minute away.
const CONFIG: &str = "[plans.basic]\njobs_per_day = 50\njobs_per_hour = 0\nrequests_per_minute = 0\nwaiting = 1000\n\
    [plans.pro]\njobs_per_day = 0\njobs_per_hour = 0\nrequests_per_minute = 1\nburst = 50\nwaiting = 1000\n";

/// A new person on this plan.
async fn person(town: &Town, plan: &str) -> Proof {
    let person = town.person("user").await;
    let text = format!("UPDATE users SET plan = '{plan}' WHERE id = '{}'", person.id.0);
    town.sql.query(&text).await;
    person.session
}

/// Submits so many jobs at once, to all APIs; how many were taken and how many refused.
async fn submit(town: &Town, proof: &Proof) -> (usize, usize) {
    let mut all = JoinSet::new();
    for number in 0..AT_ONCE {
        let request = town.clients.request(number, proof, Method::POST, "/v1/jobs");
        let (request, clients) = (
            request.json(&json!({"model": "echo", "input": {}})),
            town.clients.clone(),
        );
        all.spawn(async move { clients.ask(request).await });
    }
    let answers = all.join_all().await;
    let count = |wanted: u16| answers.iter().filter(|(status, _)| *status == wanted).count();
    let (taken, refused) = (count(202), count(429));
    assert_eq!(taken + refused, AT_ONCE, "{answers:?}");
    (taken, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn r21_of_two_hundred_at_once_exactly_fifty_get_through() {
    let town = Town::begin("R21 limits", "cache.quarantine=return(wait 0)", |builder| {
        builder.config(CONFIG)
    })
    .await;
    town.cache_is_used().await;
    for (plan, limit) in [("basic", "a quota"), ("pro", "a burst")] {
        let somebody = person(&town, plan).await;
        let (taken, refused) = submit(&town, &somebody).await;
        let stored = town
            .sql
            .number(&format!(
                "SELECT count(*) FROM jobs j JOIN users u ON u.id = j.owner_id WHERE u.plan = '{plan}'"
            ))
            .await;
        println!(
            "R21 limits: {AT_ONCE} submits at once to two API processes at {limit} of {LIMIT}: {taken} taken, \
             {refused} refused, {stored} stored"
        );
        assert_eq!((taken, stored), (LIMIT, LIMIT as i64), "{limit}");
    }
}
