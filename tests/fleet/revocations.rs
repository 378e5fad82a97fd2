//! S5: a token is revoked, a login ended, a role taken away, an account disabled, a password changed, while many
//! use it at two APIs and every read of the database lingers before it fills the cache. From the answer on nobody
//! who starts to ask is let in.

use std::{io::Write, process::Stdio, slice};

use lamplighter_testkit::scenario::sized;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    end_races::{OPEN, Race, Tally},
    town::{Person, Proof, Town},
};

/// Reads linger between the database and the cache; the cache is believed at once.
const FAULTS: &str = "auth.after_db_read=return(wait 50);cache.quarantine=return(wait 0)";
/// The same, and every other end lingers between its commit and what it tells the cache.
const SLOW_ENDS: &str = "auth.after_db_read=return(wait 50);cache.quarantine=return(wait 0);\
    revoke.after_commit=50%return(wait 60)";
const RACE: Race = Race {
    users: 50,
    afterwards: 1,
    path: OPEN,
    refused: &[401],
};
/// Rounds of every end but the revocation of a token.
const ROUNDS: (usize, usize) = (40, 200);
/// What is cached goes, leases stay.
const EVICT: &str =
    "for _, key in ipairs(redis.call('KEYS', 'lamplighter:cache:*')) do redis.call('DEL', key) end";
const FIRST_PASSWORD: &str = "nine blue herons over the canal";
const SECOND_PASSWORD: &str = "seven grey geese beside the lock";

async fn verdict(town: &Town, what: &str, (rounds, race): (usize, &Race), tally: Tally) {
    let hits = town.looks("hit").await;
    println!(
        "S5 {what}: accepted afterwards {} of {} ({rounds} rounds × {}), let in before {}, cache hits {hits}, busy {}",
        tally.accepted, tally.afterwards, race.users, tally.before, tally.busy
    );
    town.scenario.report(&format_args!("{tally:?} hits={hits}"));
    tally.assert_clean(rounds, race);
    assert!(hits >= rounds as f64, "the cache was not used");
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_revoked_token_is_refused_from_the_answer_on() {
    let town = Town::begin("S5 revoke", FAULTS, |builder| builder).await;
    let (rounds, owner) = (sized(200, 1_000), town.owner());
    let tally = RACE
        .rounds(rounds, async |number| {
            let token = town.token(number, &owner, &["jobs:read"]).await;
            let end = town.revoke(number / 2, &token);
            RACE.round(&town.clients, slice::from_ref(&token.proof), end)
                .await
        })
        .await;
    verdict(&town, "revoke", (rounds, &RACE), tally).await;
}

/// Redis forgets all, or drops what is cached and keeps the leases, before the revocation and after it: the tombstone
/// goes while an old read is on its way to fill the cache.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_revoked_token_stays_refused_where_the_cache_is_emptied() {
    let town = Town::begin("S5 revoke, FLUSHALL", FAULTS, |builder| builder).await;
    let race = Race {
        users: 30,
        afterwards: 3,
        ..RACE
    };
    let (rounds, owner) = (sized(ROUNDS.0, ROUNDS.1), town.owner());
    let redis = town.fleet.redis.as_ref().expect("a fleet with Redis");
    let tally = race
        .rounds(rounds, async |number| {
            let token = town.token(number, &owner, &["jobs:read"]).await;
            let forget: &[&str] = match number < rounds / 2 {
                true => &["FLUSHALL"],
                false => &["EVAL", EVICT, "0"],
            };
            let end = async {
                redis.command(forget);
                town.revoke(number / 2, &token).await;
                redis.command(forget);
            };
            race.round(&town.clients, slice::from_ref(&token.proof), end)
                .await
        })
        .await;
    verdict(&town, "revoke, cache emptied", (rounds, &race), tally).await;
}

/// Two tabs log out at once: the answer that comes first holds, whoever of them ended the session.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_login_is_over_from_the_answer_to_the_first_of_two_logouts_on() {
    let town = Town::begin("S5 logout", SLOW_ENDS, |builder| builder).await;
    let rounds = sized(ROUNDS.0, ROUNDS.1);
    let tally = RACE
        .rounds(rounds, async |_| {
            let session = town.person("user").await.session;
            let end = first_logout(&town, &session);
            RACE.round(&town.clients, slice::from_ref(&session), end).await
        })
        .await;
    verdict(&town, "logout", (rounds, &RACE), tally).await;
}

async fn first_logout(town: &Town, session: &Proof) {
    let mut tabs = JoinSet::new();
    for api in 0..2 {
        let request = town.clients.request(api, session, Method::DELETE, "/v1/session");
        let clients = town.clients.clone();
        tabs.spawn(async move { clients.ask(request).await.0 });
    }
    while let Some(status) = tabs.join_next().await {
        if status.expect("a tab does not break") == 204 {
            // The other one goes on.
            return tabs.detach_all();
        }
    }
    panic!("none of two logouts was answered with 204");
}

/// An admin is one no more: neither their login nor a token they made opens what is for admins.
#[tokio::test(flavor = "multi_thread")]
async fn s5_who_is_no_admin_any_more_does_nothing_that_admins_do() {
    let town = Town::begin("S5 demotion", FAULTS, |builder| builder).await;
    let race = Race {
        path: "/v1/users?limit=1",
        refused: &[401, 403],
        ..RACE
    };
    let rounds = sized(ROUNDS.0, ROUNDS.1);
    let tally = race
        .rounds(rounds, async |number| {
            let (admin, proofs) = with_token(&town, number, ("admin", "admin")).await;
            let path = format!("/v1/users/{}", admin.id);
            let end = town.order(number / 2, Method::PATCH, &path, Some(json!({"role": "user"})));
            race.round(&town.clients, &proofs, end).await
        })
        .await;
    verdict(&town, "demotion", (rounds, &race), tally).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_disabled_user_does_nothing() {
    let town = Town::begin("S5 disabled", FAULTS, |builder| builder).await;
    let rounds = sized(ROUNDS.0, ROUNDS.1);
    let tally = RACE
        .rounds(rounds, async |number| {
            let (user, proofs) = with_token(&town, number, ("user", "jobs:read")).await;
            let path = format!("/v1/users/{}", user.id);
            let end = town.order(number / 2, Method::PATCH, &path, Some(json!({"disabled": true})));
            RACE.round(&town.clients, &proofs, end).await
        })
        .await;
    verdict(&town, "disabled", (rounds, &RACE), tally).await;
}

/// A person of this role, and what proves it: their login and a token of theirs with this scope.
async fn with_token(town: &Town, number: usize, (role, scope): (&str, &str)) -> (Person, [Proof; 2]) {
    let person = town.person(role).await;
    let token = town.token(number, &person.session, &[scope]).await;
    let proofs = [person.session.clone(), token.proof];
    (person, proofs)
}

/// Whoever changes the password throws out who else is logged in.
#[tokio::test(flavor = "multi_thread")]
async fn s5_other_logins_are_over_from_the_change_of_the_password_on() {
    let town = Town::begin("S5 password", FAULTS, |builder| builder).await;
    make_somebody_with_a_password(&town);
    let rounds = sized(ROUNDS.0, ROUNDS.1);
    let tally = RACE
        .rounds(rounds, async |number| {
            let person = town.person("user").await;
            let text = format!(
                "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email = 'hash@example.org')
                WHERE id = '{}'",
                person.id.0
            );
            town.sql.query(&text).await;
            let thief = town.session(person.id).await;
            let body = json!({"current_password": FIRST_PASSWORD, "new_password": SECOND_PASSWORD});
            let change = (Method::POST, "/v1/account/password", Some(body));
            let end = town.order_as(number, &person.session, change);
            RACE.round(&town.clients, &[thief], end).await
        })
        .await;
    verdict(&town, "password change", (rounds, &RACE), tally).await;
}

fn make_somebody_with_a_password(town: &Town) {
    let mut command = town
        .fleet
        .command(&["user", "create", "hash@example.org", "--password-stdin"]);
    let command = command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut made = command.spawn().expect("the program can be started");
    let mut input = made.stdin.take().expect("it was asked for");
    writeln!(input, "{FIRST_PASSWORD}").expect("the program reads");
    drop(input);
    let done = made.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
