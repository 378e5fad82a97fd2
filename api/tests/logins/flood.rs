//! S4: a flood of logins takes no more memory than a few hashes, keeps nobody else waiting, and ends in 503.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_testkit::process::rss_kb;
use reqwest::Method;
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};

use crate::world::{Browser, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_logins_costs_a_few_hashes_at_a_time() {
    const LOGINS: usize = 500;
    let world = Arc::new(World::new().await);
    let ada = world.logged_in(0, "ada@example.org").await;
    let rss = || rss_kb(std::process::id()).expect("of this process") / 1024;
    let before = rss();
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..LOGINS {
        let world = world.clone();
        tasks.spawn(async move {
            let who = Browser::at(&format!("10.8.{}.{}", n / 250, n % 250));
            let email = format!("a{n}@example.org");
            let login = world.login(0, &who, &email, "three copper lanterns");
            if n % 2 == 1 {
                return timeout(Duration::from_millis(10), login).await.ok();
            }
            Some(login.await)
        });
    }
    let (mut peak, mut others) = (before, Vec::new());
    let watch = async {
        loop {
            let asked = Instant::now();
            assert_eq!(world.current(0, &ada).await, 200, "others go on");
            others.push(asked.elapsed());
            peak = peak.max(rss());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answers = tokio::select! {
        answers = tasks.join_all() => answers,
        () = watch => unreachable!("it goes on for ever"),
    };
    let took = start.elapsed();
    let answered: Vec<_> = answers.into_iter().flatten().collect();
    let count = |status: u16| answered.iter().filter(|answer| answer.status == status).count();
    let (compared, refused) = (count(401), count(503));
    assert_eq!(compared + refused, answered.len());
    assert!(compared > 0 && refused > 0, "{compared} {refused}");
    for answer in answered.iter().filter(|answer| answer.status == 503) {
        let again: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=2).contains(&again), "{answer:?}");
    }
    others.sort_unstable();
    let p99 = others[others.len() * 99 / 100];
    let permits = std::thread::available_parallelism().map_or(1, usize::from).min(4) as u64;
    let grown = peak.saturating_sub(before);
    println!(
        "S4 flood: {LOGINS} logins in {took:?}: {compared} compared, {refused} told to come again, {} gone; \
         memory +{grown} MiB for {permits} at once, others' p99 {p99:?}",
        LOGINS - answered.len()
    );
    // The clients are in this process, too.
    assert!(grown <= permits * 19 + 50 + 50, "{grown} MiB");
    assert!(p99 < Duration::from_secs(2), "{p99:?}");
}

#[tokio::test]
async fn what_would_cost_too_much_is_refused_before_it_does() {
    let world = World::new().await;
    let who = Browser::at("203.0.113.7");
    let huge = json!({"email": "ada@example.org", "password": "x".repeat(1_000_000)});
    let start = Instant::now();
    let refused = world.ask(0, &who, Method::POST, "/v1/session", Some(&huge)).await;
    println!(
        "S4 a password of 1 MB: {} in {:?}",
        refused.status,
        start.elapsed()
    );
    assert_eq!(refused.status, 413);
    let long = json!({"email": "ada@example.org", "password": "x".repeat(10_000)});
    let refused = world.ask(0, &who, Method::POST, "/v1/session", Some(&long)).await;
    assert_eq!(refused.status, 422);
    assert!(!refused.body.to_string().contains("xxx"), "it is not repeated");

    let mad =
        "$argon2id$v=19$m=4194304,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    world.sql(&format!("UPDATE users SET password_hash = '{mad}'"));
    let before = rss_kb(std::process::id()).expect("of this process");
    let start = Instant::now();
    let refused = world.login(0, &who, "ada@example.org", "x").await;
    let grown = rss_kb(std::process::id())
        .expect("of this process")
        .saturating_sub(before)
        / 1024;
    println!(
        "S4 a stored hash of 4 GiB: {} in {:?}, +{grown} MiB",
        refused.status,
        start.elapsed()
    );
    assert_eq!((refused.status, refused.code()), (401, "wrong_credentials"));
    assert!(start.elapsed() < Duration::from_secs(5) && grown < 200);
}
