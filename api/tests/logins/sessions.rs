//! S9: sessions begin with a new cookie and end everywhere at once.

use std::time::{Duration, Instant};

use lamplighter_testkit::scenario::sized;
use reqwest::Method;
use tokio::task::JoinSet;

use crate::world::{Browser, PASSWORD, World};

const ADA: &str = "ada@example.org";

#[tokio::test]
async fn a_planted_cookie_is_not_taken_and_a_brought_one_ends() {
    let world = World::new().await;
    let mut ada = Browser::at("203.0.113.7");
    ada.cookies.push("sid=planted".to_owned());
    let first = world.login(0, &ada, ADA, PASSWORD).await;
    ada.keep(&first);
    let before = ada.clone();
    assert_ne!(ada.cookie("sid").expect("a session"), "sid=planted");
    assert_eq!(
        (world.current(0, &before).await, world.current(1, &before).await),
        (200, 200)
    );
    let second = world.login(1, &ada, ADA, PASSWORD).await;
    ada.keep(&second);
    assert_ne!(first.body["id"], second.body["id"]);
    assert_ne!(ada.cookie("sid"), before.cookie("sid"));
    assert_eq!(
        ada.cookie("device"),
        before.cookie("device"),
        "the browser stays known"
    );
    assert_eq!(
        (world.current(0, &before).await, world.current(1, &before).await),
        (401, 401)
    );
    assert_eq!(
        (world.current(0, &ada).await, world.current(1, &ada).await),
        (200, 200)
    );
    println!("S9 fixation: another cookie at each of 2 logins, the old one 401 on 2 nodes");
}

#[tokio::test]
async fn an_ended_session_is_over_everywhere_at_once() {
    let rounds = sized(25, 250);
    let world = World::with(|config| {
        config.accounts.login_burst = 1000;
        config
            .plans
            .values_mut()
            .for_each(|plan| plan.requests_per_minute = 0);
    })
    .await;
    let (mut asked, mut taken) = (0, 0);
    for round in 0..rounds {
        let mut ada = world.logged_in(round, ADA).await;
        // Both have it in their cache.
        assert_eq!(
            (world.current(0, &ada).await, world.current(1, &ada).await),
            (200, 200)
        );
        let kept = ada.clone();
        let answer = world.ask(round, &ada, Method::DELETE, "/v1/session", None).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("clear-site-data"), "\"cache\", \"storage\"");
        ada.keep(&answer);
        assert_eq!((ada.cookie("sid"), ada.cookie("device").is_some()), (None, true));
        for node in 0..4 {
            asked += 1;
            taken += usize::from(world.current(node, &kept).await != 401);
        }
    }
    println!("S9 logout: {rounds} sessions used on 2 nodes, taken after their end: {taken} of {asked}");
    assert_eq!(taken, 0);
    let entries = world.number("SELECT count(*) FROM audit_log WHERE action = 'session.end'");
    assert_eq!(entries, rounds as i64);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_who_has_them_while_others_do_the_same() {
    let world = World::with(|config| config.accounts.login_burst = 1000).await;
    let mut browsers = Vec::new();
    for n in 0..8 {
        browsers.push(world.logged_in(n, ADA).await);
    }
    let bob = world.logged_in(0, "bob@example.org").await;
    let list = world
        .ask(0, &browsers[0], Method::GET, "/v1/sessions", None)
        .await;
    let items = list.body["data"].as_array().expect("a list").clone();
    assert_eq!(items.len(), 8);
    let current: Vec<_> = items.iter().filter(|item| item["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], items[7]["id"], "the latest is first");
    assert!(items.iter().all(|item| item["address"].is_string()));
    let path = |item: &serde_json::Value| format!("/v1/sessions/{}", item["id"].as_str().expect("an id"));
    // Not by somebody else, and that looks as if there was none.
    for path in [path(&items[0]), "/v1/sessions/ses_x".to_owned()] {
        let foreign = world.ask(0, &bob, Method::DELETE, &path, None).await;
        assert_eq!((foreign.status, foreign.code()), (404, "not_found"));
    }
    // All end all but one at the same time, and list meanwhile.
    let world = std::sync::Arc::new(world);
    let mut tasks = JoinSet::new();
    for (n, item) in items[..7].iter().enumerate() {
        for node in 0..2 {
            let (world, who, path) = (world.clone(), browsers[0].clone(), path(item));
            tasks.spawn(async move {
                let ended = world
                    .ask(n + node, &who, Method::DELETE, &path, None)
                    .await
                    .status;
                let list = world.ask(n + node, &who, Method::GET, "/v1/sessions", None).await;
                let shown = list.body["data"].as_array().is_some_and(|items| {
                    let id = path.rsplit('/').next();
                    items.iter().any(|item| item["id"].as_str() == id)
                });
                (ended, shown)
            });
        }
    }
    let ends = tasks.join_all().await;
    let ended = ends.iter().filter(|(status, _)| *status == 204).count();
    assert_eq!(ended, 7, "each once: {ends:?}");
    assert!(
        ends.iter()
            .all(|(status, shown)| !shown && [204, 404].contains(status))
    );
    for (n, browser) in browsers.iter().enumerate() {
        assert_eq!(world.current(n, browser).await, if n == 0 { 200 } else { 401 });
    }
    println!("S9 list and kill: 14 at once ended 7 sessions, each once; none shown or taken afterwards");

    let others = [world.logged_in(0, ADA).await, world.logged_in(1, ADA).await];
    let keep = world
        .ask(
            0,
            &browsers[0],
            Method::DELETE,
            "/v1/sessions?keep_current=true",
            None,
        )
        .await;
    assert_eq!(keep.status, 204);
    assert_eq!(world.current(1, &browsers[0]).await, 200);
    assert_eq!(
        (
            world.current(1, &others[0]).await,
            world.current(0, &others[1]).await
        ),
        (401, 401)
    );
    let all = world
        .ask(1, &browsers[0], Method::DELETE, "/v1/sessions", None)
        .await;
    assert!(all.set_cookies()[0].contains("Max-Age=0"), "{all:?}");
    assert_eq!(
        (world.current(0, &browsers[0]).await, world.current(0, &bob).await),
        (401, 200)
    );
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_when_it_is_over() {
    let world = World::with(|config| {
        config.accounts.session_idle_hours = 2.0 / 3600.0;
        config.accounts.session_days = 6.0 / 86_400.0;
    })
    .await;
    let (idle, busy) = (world.logged_in(0, ADA).await, world.logged_in(1, ADA).await);
    // Both nodes remember it: what is remembered must not outlive it.
    assert_eq!(
        (world.current(0, &idle).await, world.current(1, &idle).await),
        (200, 200)
    );
    let start = Instant::now();
    let mut ends = [None, None];
    while ends.contains(&None) {
        assert!(start.elapsed() < Duration::from_secs(20), "it never ends");
        let status = world.current(0, &busy).await;
        if status == 401 && ends[1].is_none() {
            ends[1] = Some(start.elapsed());
        }
        if ends[0].is_none() && start.elapsed() > Duration::from_millis(2500) {
            assert_eq!(world.current(1, &idle).await, 401, "not used for 2.5 s");
            ends[0] = Some(start.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let busy = ends[1].unwrap_or_default();
    println!("S9 expiry: unused 401 after 2 s, used to the end: {busy:?} of 6 s");
    assert!(
        busy > Duration::from_secs(4) && busy < Duration::from_secs(9),
        "{busy:?}"
    );
}

#[tokio::test]
async fn cookies_are_bound_to_this_host_and_no_script_reads_them() {
    let mut seen = 0;
    for (url, prefix, secure) in [("https://ai.example.org", "__Host-", true), ("", "", false)] {
        let world = World::with(|config| config.server.public_url = url.to_owned()).await;
        let mut ada = Browser::at("203.0.113.7");
        let login = world.login(0, &ada, ADA, PASSWORD).await;
        ada.keep(&login);
        let logout = world.ask(0, &ada, Method::DELETE, "/v1/session", None).await;
        assert_eq!((login.status, logout.status), (201, 204));
        for line in [login.set_cookies(), logout.set_cookies()].concat() {
            assert!(
                line.starts_with(&format!("{prefix}sid=")) || line.starts_with(&format!("{prefix}device="))
            );
            for attribute in ["Path=/", "HttpOnly", "SameSite=Lax"] {
                assert!(line.contains(&format!("; {attribute}")), "{line}");
            }
            assert_eq!(line.contains("; Secure"), secure, "{line}");
            assert!(!line.contains("Domain"), "{line}");
            seen += 1;
        }
    }
    println!("S9 attributes: {seen} cookies set, all as they should be");
    assert_eq!(seen, 6);
    let open = World::with(|config| config.server.public_url = "http://ai.example.org".to_owned()).await;
    let refused = open.login(0, &Browser::at("203.0.113.7"), ADA, PASSWORD).await;
    assert_eq!((refused.status, refused.code()), (403, "insecure_connection"));
}

#[tokio::test]
async fn a_session_of_an_account_that_is_not_verified_or_let_in_is_none() {
    let world = World::with(|config| config.accounts.login_burst = 1000).await;
    let (mut asked, mut taken) = (0, 0);
    for state in ["verified_at = NULL", "approved_at = NULL"] {
        // Not used before: what a node knows of a session it may believe for 30 s.
        let ada = world.logged_in(0, ADA).await;
        world.sql(&format!("UPDATE users SET {state} WHERE email = '{ADA}'"));
        for node in 0..2 {
            for path in [
                "session", "sessions", "account", "tokens", "jobs", "models", "usage",
            ] {
                let path = format!("/v1/{path}");
                let answer = world.ask(node, &ada, Method::GET, &path, None).await;
                asked += 1;
                taken += usize::from(answer.status != 401);
            }
        }
        let usable = "verified_at = 1, approved_at = 1";
        world.sql(&format!("UPDATE users SET {usable} WHERE email = '{ADA}'"));
        assert_eq!(world.current(1, &ada).await, 200, "{state}");
    }
    println!("S1 sessions of accounts not verified or not let in: {taken} of {asked} taken");
    assert_eq!(taken, 0);
}
