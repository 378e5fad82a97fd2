//! What a good token costs once it is known: one round trip to the cache, one seal, and no statement.

use poem::{Request, http::Method};

use crate::effort::Gauge;

const ROUNDS: usize = 10;

#[tokio::test]
async fn a_known_token_costs_one_round_trip() {
    let gauge = Gauge::new().await;
    let request = || {
        Request::builder()
            .method(Method::GET)
            // There is no such model: who may know is told so without a look into the database.
            .uri_str("/v1/models/none")
            .header("authorization", gauge.world.bearer())
            .finish()
    };
    let mut spent = Vec::new();
    // The first one fills the cache, and notes the use of the token beside.
    for _ in 0..=ROUNDS {
        let (read, effort) = gauge.ask(request()).await;
        assert_eq!(read.status.as_u16(), 404, "{}", read.text);
        spent.push(effort);
    }
    let known = &spent[1..];
    let trips: u64 = known.iter().map(|effort| effort.cache).sum();
    println!(
        "S5 hot path: {ROUNDS} requests with a known token: {trips} round trips to the cache, {} seals, statements at the end {}",
        known.iter().map(|effort| effort.seals).sum::<u64>(),
        known[ROUNDS - 1].statements.len()
    );
    assert!(
        known.iter().all(|effort| effort.cache == 1 && effort.seals == 1),
        "{known:?}"
    );
    assert_eq!(known[ROUNDS - 1].statements, Vec::<String>::new());
}
