//! S3: guessing. Who tries is counted by network and by account, whatever they say of themselves; the owner
//! gets in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use lamplighter_testkit::scenario::sized;
use reqwest::Method;

use crate::world::{Answer, Browser, PASSWORD, World, hash};

const ADA: &str = "ada@example.org";

/// Tries made by `one`, some at a time; how many were compared (401) and limited (429), and how long it took.
async fn tries<F: Future<Output = Answer>>(
    count: usize,
    one: impl Fn(usize) -> F,
) -> (usize, usize, Duration) {
    let start = Instant::now();
    let statuses: Vec<u16> = stream::iter(0..count)
        .map(|n| {
            let one = &one;
            async move {
                loop {
                    let answer = one(n).await;
                    let again = answer.header("retry-after").parse::<u64>();
                    assert_eq!(
                        answer.status != 401,
                        again.is_ok_and(|again| again > 0),
                        "{answer:?}"
                    );
                    // A machine that hashes slowly says so; nothing was tried then.
                    if answer.status != 503 {
                        return answer.status;
                    }
                }
            }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    let count = |status: u16| statuses.iter().filter(|own| **own == status).count();
    assert_eq!(count(401) + count(429), statuses.len(), "{statuses:?}");
    (count(401), count(429), start.elapsed())
}

#[tokio::test]
async fn one_network_has_a_few_tries_whatever_it_says() {
    let world = Arc::new(World::new().await);
    let count = sized(300, 10_000);
    let (compared, limited, took) = tries(count, |n| {
        let (world, who) = (world.clone(), Browser::at("198.51.100.7"));
        async move { world.login(n, &who, &format!("a{n}@example.org"), "x").await }
    })
    .await;
    println!("S3 one address over accounts: {compared} of {count} compared, {limited} limited, in {took:?}");
    assert!(compared <= 5 + took.as_secs() as usize / 20 + 1, "{compared}");
    // A whole /64 is one.
    let (compared, _, took) = tries(60, |n| {
        let (world, who) = (world.clone(), Browser::at(&format!("2001:db8:1:2::{n:x}")));
        async move { world.login(n, &who, ADA, "x").await }
    })
    .await;
    println!("S3 one /64: {compared} of 60 compared");
    assert!(compared <= 5 + took.as_secs() as usize / 20 + 1, "{compared}");
    let neighbour = Browser::at("2001:db8:1:3::1");
    assert_eq!(world.login(0, &neighbour, ADA, "x").await.status, 401);
}

#[tokio::test]
async fn headers_of_strangers_change_nothing() {
    let world = World::with(|config| config.server.trusted_proxies.clear()).await;
    let world = Arc::new(world);
    // From this machine ten times as much.
    let count = sized(200, 10_000);
    let (compared, limited, took) = tries(count, |n| {
        let world = world.clone();
        async move { world.login_spoofed(n).await }
    })
    .await;
    println!("S3 spoofed: {compared} of {count} compared, {limited} limited, in {took:?}");
    assert!(compared <= 50 + took.as_secs() as usize / 2 + 1, "{compared}");
    assert!(compared >= 50, "{compared}");
    let addresses = world.number("SELECT count(DISTINCT address) FROM audit_log");
    assert_eq!(addresses, 1, "and the audit log names the one that it was");
}

#[tokio::test]
async fn one_account_has_a_hundred_and_its_owner_gets_in_all_the_same() {
    const TRIES: usize = 1000;
    let world = Arc::new(World::new().await);
    let owner = world.logged_in(0, ADA).await;
    let spellings = [
        "ada@example.org",
        "ADA@Example.org",
        "a.d.a@example.org",
        "ada+x@example.org",
    ];
    let (compared, limited, took) = tries(TRIES, |n| {
        let who = Browser::at(&format!("10.9.{}.{}", n / 250, n % 250));
        let world = world.clone();
        async move { world.login(n, &who, spellings[n % 4], "x").await }
    })
    .await;
    // 1 s, 2 s, 4 s … between those beyond a hundred.
    let beyond = (took.as_secs() + 1).ilog2() as usize + 1;
    println!("S3 one account, {TRIES} addresses: {compared} compared, {limited} limited, in {took:?}");
    assert!((100..=100 + beyond).contains(&compared), "{compared} in {took:?}");
    // However slow the machine is: the wait goes on.
    world.sql("UPDATE attempts SET blocked_until = full_at WHERE failures >= 100");
    let stranger = world.login(0, &Browser::at("192.0.2.1"), ADA, PASSWORD).await;
    assert_eq!((stranger.status, stranger.code()), (429, "too_many_attempts"));
    // Nobody tells an account from none by that.
    let other = world
        .login(0, &Browser::at("192.0.2.2"), "bob@example.org", "x")
        .await;
    assert_eq!(other.status, 401);
    let out = world.ask(0, &owner, Method::DELETE, "/v1/session", None).await;
    let mut known = Browser::at("192.0.2.3");
    known.cookies = owner.cookies;
    known.keep(&out);
    assert_eq!(
        world.login(1, &known, ADA, PASSWORD).await.status,
        201,
        "from a known browser"
    );
    // A known browser of somebody else is not known.
    let mut bob = world.logged_in(0, "bob@example.org").await;
    bob.address = Some("192.0.2.4".to_owned());
    assert_eq!(world.login(1, &bob, ADA, PASSWORD).await.status, 429);
}

/// The mailbox of both accounts is one for who counts without dots. Whoever has one of them gets no more tries at the
/// other by logging in between.
#[tokio::test]
async fn a_neighbour_s_success_gives_no_tries_at_the_account() {
    let (victim, neighbours) = ("john.son@example.org", "jo.hnson@example.org");
    let world = World::with(|config| config.accounts.max_failures = 8).await;
    for (from, to) in [(ADA, victim), ("bob@example.org", neighbours)] {
        world.sql(&format!("UPDATE users SET email = '{to}' WHERE email = '{from}'"));
    }
    let (start, mut compared) = (Instant::now(), 0);
    for n in 0..40 {
        if n % 4 == 0 {
            let who = Browser::at(&format!("10.3.{n}.1"));
            let neighbour = world.login(n, &who, neighbours, PASSWORD).await;
            assert!(n > 4 || neighbour.status == 201, "{neighbour:?}");
        }
        let who = Browser::at(&format!("10.4.{n}.1"));
        compared += usize::from(world.login(n, &who, victim, "x").await.status == 401);
    }
    let beyond = (start.elapsed().as_secs() + 1).ilog2() as usize + 1;
    println!("S3 with a neighbour's logins between: {compared} of 40 compared, 8 are free");
    assert!((8..=8 + beyond).contains(&compared), "{compared}");
}

/// However often somebody logged in, and from however many browsers: their own browsers have one count, and another
/// password makes strangers of them.
#[tokio::test]
async fn known_browsers_have_one_count_and_another_password_forgets_them() {
    let world = World::with(|config| config.accounts.max_failures = 8).await;
    let browsers = [world.logged_in(0, ADA).await, world.logged_in(1, ADA).await];
    let wrong = async |n: usize, browser: &Browser| {
        let mut who = browser.clone();
        who.address = Some(format!("10.5.{n}.1"));
        who.cookies.retain(|own| own.starts_with("device="));
        world.login(n, &who, ADA, "x").await.status
    };
    let (start, mut compared) = (Instant::now(), 0);
    for n in 0..20 {
        compared += usize::from(wrong(n, &browsers[n % 2]).await == 401);
    }
    let beyond = (start.elapsed().as_secs() + 1).ilog2() as usize + 1;
    println!("S3 two known browsers: {compared} of 20 compared, 8 are free");
    assert!((8..=8 + beyond).contains(&compared), "{compared}");

    world.sql(&format!("UPDATE users SET password_hash = '{}'", hash(19_456, 2)));
    for n in 0..8 {
        wrong(n, &Browser::default()).await;
    }
    world.sql("UPDATE attempts SET blocked_until = full_at WHERE failures >= 8 AND key LIKE 'login:a%'");
    world.sql("DELETE FROM attempts WHERE key LIKE 'login:device%'");
    let mut known = browsers[0].clone();
    known.address = Some("192.0.2.9".to_owned());
    assert_eq!(
        world.login(0, &known, ADA, PASSWORD).await.status,
        429,
        "known with the password of before"
    );
}

#[tokio::test]
async fn the_limits_hold_without_redis() {
    let mut world = World::new().await;
    world.redis.kill9();
    let world = Arc::new(world);
    let (compared, _, took) = tries(100, |n| {
        let (world, who) = (world.clone(), Browser::at("198.51.100.7"));
        async move { world.login(n, &who, ADA, "x").await }
    })
    .await;
    println!("R7 login without Redis: {compared} of 100 compared in {took:?}");
    assert!(
        (1..=5 + took.as_secs() as usize / 20 + 1).contains(&compared),
        "{compared}"
    );
    let ada = world.logged_in(0, ADA).await;
    assert_eq!(
        (world.current(0, &ada).await, world.current(1, &ada).await),
        (200, 200)
    );
    let out = world.ask(0, &ada, Method::DELETE, "/v1/session", None).await;
    assert_eq!(out.status, 204);
    assert_eq!(
        (world.current(0, &ada).await, world.current(1, &ada).await),
        (401, 401)
    );
}
