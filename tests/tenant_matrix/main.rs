//! I7 and I8: every operation of the API, asked by everybody who may not, by those who may, and by
//! other users. `table` says what each of them gets; an operation that is not in it fails the test.
//!
//! A foreign job must look exactly like one that never was, and nothing of it may show in any answer.

mod ids;
mod proofs;
mod table;
mod who;
mod world;

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use table::{Needs, ROWS, Row, Target};
use who::Who;
use world::World;

/// The operations that the server documents: method, path and operationId.
async fn documented(world: &World) -> BTreeSet<(String, String, String)> {
    let document = world
        .ask(Who::Anonymous, Method::GET, "/openapi.json", None)
        .await
        .body;
    let paths = document["paths"].as_object().expect("paths");
    let mut found = BTreeSet::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an operationId");
            let public = operation.get("security").is_none();
            found.insert((method.to_uppercase(), path.clone(), id.to_owned()));
            if let Some(row) = ROWS.iter().find(|row| row.operation == id) {
                assert_eq!(
                    public,
                    row.needs == Needs::Nothing,
                    "{id}: what the document says of security"
                );
            }
        }
    }
    found
}

#[tokio::test]
async fn every_operation_gives_everybody_what_is_theirs() {
    let world = World::new().await;
    let rows: BTreeSet<_> = ROWS
        .iter()
        .map(|row| {
            (
                row.method.to_owned(),
                row.path.to_owned(),
                row.operation.to_owned(),
            )
        })
        .collect();
    assert_eq!(
        documented(&world).await,
        rows,
        "the document, and the table of this test"
    );

    let mut asked = 0;
    for row in ROWS {
        for who in Who::ALL {
            // It would end the owner's tokens; other accounts are deleted, and taken back.
            if (row.operation, who) == ("deleteAccount", Who::OwnerSession) {
                continue;
            }
            check(&world, row, who).await;
            asked += 1;
        }
    }
    println!(
        "S1 tenant matrix: {} operations × {} callers, {asked} answers as in the table, {} searched for what is not theirs",
        ROWS.len(),
        Who::ALL.len(),
        world.searched()
    );
    println!(
        "S9 attributes: {} cookies set by all operations, all as they should be",
        world.cookies()
    );
    assert!(world.cookies() > 0, "somebody logs out, and guests get one");
}

/// Asks as the row says, and compares.
async fn check(world: &World, row: &Row, who: Who) {
    let job = match row.target {
        Target::Finished => Some(world.finished_job().await),
        Target::Running => Some(world.running_job().await),
        _ => None,
    };
    let (id, token) = match (&job, row.target) {
        (Some(job), _) => (job["id"].as_str().expect("an id").to_owned(), String::new()),
        (None, Target::Session) => (world.spare_session().await, String::new()),
        (None, Target::Token) => (world.little_token().await, String::new()),
        (None, Target::Worker) => (world.worker().await, String::new()),
        (None, Target::User | Target::UserToken) => world.spare_user().await,
        (None, _) => ("echo".to_owned(), String::new()),
    };
    let path = row.address(&id, &token);
    let method: Method = row.method.parse().expect("a method");
    let before = world.stored().await;
    let answer = world.ask(who, method.clone(), &path, row.body().as_ref()).await;
    let name = format!("{} as {who:?}", row.operation);
    let allowed = row.allowed(who);
    assert!(
        allowed.contains(&answer.status.as_u16()),
        "{name}: {} instead of {allowed:?}: {}",
        answer.status,
        answer.body
    );
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            assert!(answer.challenge.starts_with("Bearer"), "{name}: {answer:?}");
        }
        // The foreign id, an id that never was, and no id at all: three times the same words.
        StatusCode::NOT_FOUND => {
            for other in ["job_01ke1c2v7h8q9r0s1t2v3w4x5y", "job_x", "1", "%00"] {
                let path = row.address(other, other);
                let missing = world.ask(who, method.clone(), &path, row.body().as_ref()).await;
                assert_eq!(answer.comparable(), missing.comparable(), "{name}: {other}");
            }
        }
        _ => {}
    }
    if who.administrates() && row.target.is_installations() {
        for other in [
            "worker_01ke1c2v7h8q9r0s1t2v3w4x5y",
            "user_01ke1c2v7h8q9r0s1t2v3w4x5y",
            "x",
            "1",
            "%00",
        ] {
            let path = row.address(other, other);
            let missing = world.ask(who, method.clone(), &path, row.body().as_ref()).await;
            assert_eq!(missing.status, StatusCode::NOT_FOUND, "{name}: {other}");
        }
    }
    // Whom the installation knows, administrators may know.
    if !who.administrates() || row.needs != Needs::Admin {
        world.assert_nothing_shows(&name, &answer);
    }
    if who == Who::Owner && row.method == "GET" && row.target == Target::Finished {
        assert!(answer.shows_the_mark(), "{name}: the search would find something");
    }
    if !who.owns() || answer.status.is_client_error() {
        assert_eq!(world.stored().await, before, "{name} changed what the owner has");
    }
    if answer.status.is_success() && row.ends_the_session() {
        world.log_in_again(who).await;
    }
    if let Some(job) = job {
        world.end(&job).await;
    }
    if row.target == Target::Token {
        // There may be only so many.
        let path = format!("/v1/tokens/{id}");
        world.ask(Who::Owner, Method::DELETE, &path, None).await;
    }
}

#[tokio::test]
async fn a_key_of_another_user_is_another_key() {
    let world = World::new().await;
    let body = json!({"model": "echo", "input": {"mark": "a"}});
    let mut made = Vec::new();
    for who in [Who::Owner, Who::Other, Who::Administrator] {
        let first = world.submit_with_key(who, "the-same-key", &body).await;
        let again = world.submit_with_key(who, "the-same-key", &body).await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
        assert_eq!(first.body["id"], again.body["id"], "{who:?}");
        made.push(first.body["id"].as_str().expect("an id").to_owned());
    }
    let different: BTreeSet<_> = made.iter().collect();
    assert_eq!(different.len(), 3, "{made:?}");
    // Another body is no conflict with somebody else's key, only with one's own.
    let other_body = json!({"model": "echo", "input": {"mark": "b"}});
    let own = world
        .submit_with_key(Who::Other, "the-same-key", &other_body)
        .await;
    assert_eq!(own.status.as_u16(), 422);
    let theirs = world.submit_with_key(Who::Owner, "only-mine", &body).await;
    let mine = world.submit_with_key(Who::Other, "only-mine", &other_body).await;
    assert_eq!((theirs.status.as_u16(), mine.status.as_u16()), (202, 202));
    println!("1 key, 3 users, 3 jobs");
}

#[tokio::test]
async fn lists_hold_only_what_is_ones_own() {
    let world = World::new().await;
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(world.finished_job().await["id"].clone());
    }
    let foreign = world
        .ask(
            Who::Other,
            Method::POST,
            "/v1/jobs",
            Some(&json!({"model": "echo", "input": {}})),
        )
        .await;
    for who in [Who::Other, Who::Administrator] {
        for query in [
            "",
            "?status=succeeded",
            "?model=echo",
            "?task=echo",
            "?created_after=2000-01-01T00:00:00Z",
        ] {
            let page = world
                .ask(who, Method::GET, &format!("/v1/jobs{query}"), None)
                .await;
            world.assert_nothing_shows(&format!("listJobs{query} as {who:?}"), &page);
            let ids: Vec<&Value> = page.body["data"]
                .as_array()
                .expect("a page")
                .iter()
                .map(|j| &j["id"])
                .collect();
            assert!(ids.iter().all(|id| **id == foreign.body["id"]), "{ids:?}");
        }
        // A foreign id as a cursor is a place in time, and shows nothing either.
        let path = format!("/v1/jobs?cursor={}", own[4].as_str().expect("an id"));
        let page = world.ask(who, Method::GET, &path, None).await;
        assert_eq!(page.body["data"], json!([]), "{who:?}");
    }
    let page = world.ask(Who::Owner, Method::GET, "/v1/jobs", None).await;
    assert_eq!(page.body["data"].as_array().map(Vec::len), Some(5));
}

#[tokio::test]
async fn methods_that_are_not_documented_open_nothing() {
    let world = World::new().await;
    let job = world.finished_job().await;
    let id = job["id"].as_str().expect("an id");
    let mut asked = 0;
    for path in [
        "/v1/jobs".to_owned(),
        format!("/v1/jobs/{id}"),
        format!("/v1/jobs/{id}/events"),
        "/v1/models".to_owned(),
    ] {
        for method in ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "PROPFIND"] {
            for who in [Who::Anonymous, Who::Other] {
                let method: Method = method.parse().expect("a method");
                let answer = world.ask(who, method.clone(), &path, None).await;
                // Anybody may ask for the models, since one is public.
                let open = path == "/v1/models" || (who == Who::Other && path == "/v1/jobs");
                let harmless = answer.status.is_client_error() || (method == Method::HEAD && open);
                assert!(harmless, "{method} {path} as {who:?}: {}", answer.status);
                world.assert_nothing_shows(&format!("{method} {path}"), &answer);
                asked += 1;
            }
        }
    }
    println!("{asked} undocumented requests, 0 let in");
}
