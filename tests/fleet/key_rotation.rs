//! S18: the key that seals tokens is rotated while two APIs make and take tokens all the time, one of which sleeps
//! through the whole grace. No good token is refused; once the old key is retired, what it sealed is.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter_testkit::scenario::sized;
use reqwest::Method;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    end_races::OPEN,
    signs::until,
    town::{Clients, Proof, Town},
};

/// Those who make tokens, and those who use them.
const MAKERS: usize = 2;
const USERS: usize = 6;

/// What is known while the load lasts.
#[derive(Default)]
struct Seen {
    over: AtomicBool,
    tokens: Mutex<Vec<Proof>>,
    taken: AtomicUsize,
    refused: AtomicUsize,
}

impl Seen {
    fn tokens(&self) -> Vec<Proof> {
        self.tokens.lock().expect("nobody panics with it").clone()
    }
}

/// Makes tokens at both APIs in turn, and uses each at once at the other one.
async fn make(clients: Clients, owner: Proof, mut api: usize, seen: Arc<Seen>) {
    let body = json!({"name": "rotation", "scopes": ["jobs:read"], "expires_in_seconds": 3600});
    while !seen.over.load(Ordering::SeqCst) {
        let request = clients
            .request(api, &owner, Method::POST, "/v1/tokens")
            .json(&body);
        let (status, made) = clients.ask(request).await;
        assert_eq!(status, 201, "{made}");
        let token = Proof::Token(made["token"].as_str().expect("a token").to_owned());
        take(&clients, api + 1, &token, &seen).await;
        seen.tokens.lock().expect("nobody panics with it").push(token);
        api += 1;
        sleep(Duration::from_millis(60)).await;
    }
}

/// Uses the tokens that were made, one after the other, at both APIs in turn.
async fn use_them(clients: Clients, mut number: usize, seen: Arc<Seen>) {
    while !seen.over.load(Ordering::SeqCst) {
        let tokens = seen.tokens();
        if let Some(token) = tokens.get(number % tokens.len().max(1)) {
            take(&clients, number, token, &seen).await;
        }
        number += 7;
        sleep(Duration::from_millis(20)).await;
    }
}

async fn take(clients: &Clients, api: usize, token: &Proof, seen: &Seen) {
    let counter = match clients.status(api, token, OPEN).await {
        200 => &seen.taken,
        401 => &seen.refused,
        other => panic!("{other}: neither taken nor refused"),
    };
    counter.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_a_key_is_rotated_under_load_and_no_good_token_is_refused() {
    // One of the two sees that the file has changed, and reads it long after the new key seals.
    let sleepy = "rotate.mid=return(wait 6000);cache.quarantine=return(wait 0)";
    let faults = "cache.quarantine=return(wait 0)";
    let town = Town::begin("S18 rotation", faults, |builder| {
        builder.env_of("api-1", "FAILPOINTS", sleepy)
    })
    .await;
    let (seen, mut load) = (Arc::<Seen>::default(), JoinSet::new());
    for number in 0..MAKERS {
        load.spawn(make(town.clients.clone(), town.owner(), number, seen.clone()));
    }
    for number in 0..USERS {
        load.spawn(use_them(town.clients.clone(), number, seen.clone()));
    }
    let pause = Duration::from_secs(sized(2, 10));
    sleep(pause).await;
    let waiting = seen.tokens().len();
    town.fleet.run(&["secret", "rotate", "--grace", "3s"]);
    let early = town.fleet.command(&["secret", "retire"]).output();
    let early = early.expect("the program can be started").status.success();
    sleep(Duration::from_secs(3) + pause).await;
    let (old, all) = (seen.tokens(), seen.tokens().len());
    sleep(pause).await;
    seen.over.store(true, Ordering::SeqCst);
    load.join_all().await;
    let (taken, refused) = (
        seen.taken.load(Ordering::SeqCst),
        seen.refused.load(Ordering::SeqCst),
    );
    let new = seen.tokens().split_off(all);
    assert!(waiting > 5 && new.len() > 5, "tokens were made before and after");
    println!(
        "S18 rotation: good tokens refused {refused} of {} at two APIs, one of which slept through the grace; made \
         {waiting} before, {} after",
        refused + taken,
        seen.tokens().len() - waiting,
    );
    assert!(!early, "the old key is retired while it seals");
    assert_eq!(refused, 0);
    retire(&town, &old[..waiting], &new).await;
}

/// Retires the old key: what it sealed ends at both APIs, what the new one did goes on.
async fn retire(town: &Town, old: &[Proof], new: &[Proof]) {
    town.fleet.run(&["secret", "retire"]);
    let owner = town.owner();
    until("both APIs have read the file", async || {
        let mut gone = 0;
        for api in 0..2 {
            gone += usize::from(town.clients.status(api, &owner, OPEN).await == 401);
        }
        (gone == 2).then_some(())
    })
    .await;
    let count = async |tokens: &[Proof], good: u16| {
        let mut count = 0;
        for token in tokens {
            for api in 0..2 {
                count += usize::from(town.clients.status(api, token, OPEN).await == good);
            }
        }
        count
    };
    let (void, kept) = (count(old, 401).await, count(new, 200).await);
    println!(
        "S18 retired: {void} of {} uses of tokens of the old key refused, {kept} of {} of the new one taken",
        2 * old.len(),
        2 * new.len()
    );
    assert_eq!((void, kept), (2 * old.len(), 2 * new.len()));
}
