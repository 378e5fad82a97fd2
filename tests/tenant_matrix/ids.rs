//! Identifiers can't be guessed: they tell when something was made, and the rest is chance.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::{who::Who, world::World};

/// Digits of an identifier that tell the time, after its prefix.
const TIME: usize = 10;
/// Digits in Crockford's base 32, lower case.
const DIGITS: &str = "0123456789abcdefghjkmnpqrstvwxyz";

#[tokio::test]
async fn identifiers_are_not_guessable() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..60 {
        let body = json!({"model": "echo", "input": {}});
        let job = world.ask(Who::Owner, Method::POST, "/v1/jobs", Some(&body)).await;
        ids.push(job.body["id"].as_str().expect("an id").to_owned());
    }
    // What comes after the time must not follow from the neighbours: all but the version's and the variant's
    // bits, and those that count within a millisecond.
    let tails: Vec<&str> = ids.iter().map(|id| &id["job_".len() + TIME..]).collect();
    let chance = (0..tails[0].len())
        .filter(|place| {
            let seen: BTreeSet<char> = tails.iter().filter_map(|tail| tail.chars().nth(*place)).collect();
            seen.len() >= 16
        })
        .count();
    assert!(
        chance >= 11,
        "{chance} digits of {} are chance: {tails:?}",
        tails[0].len()
    );

    // Neighbours of the owner's job are nothing, and look to others as the job itself does.
    let mut guessed = 0;
    for id in &ids[..4] {
        let (rest, last) = id.split_at(id.len() - 1);
        let here = DIGITS.find(last).expect("a digit");
        for step in [1, 2, 31] {
            let near = format!("{rest}{}", &DIGITS[(here + step) % 32..][..1]);
            for who in [Who::Owner, Who::Other, Who::Guest] {
                let path = format!("/v1/jobs/{near}");
                let answer = world.ask(who, Method::GET, &path, None).await;
                assert_eq!(answer.status.as_u16(), 404, "{who:?}: {path}");
                guessed += 1;
            }
        }
    }
    println!(
        "S1 identifiers: {chance} digits of 5 bits by chance in {} jobs; {guessed} neighbours asked for, 0 found",
        ids.len()
    );
}
