//! A cold cache: Redis is emptied, and then very many clients come at once, each with one of few tokens. Counted
//! are the statements that Postgres has run.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use lamplighter_testkit::{fleet::Fleet, postgres::Sql};

use super::{auth::expect, builder, durable, start};
use crate::{
    client::Client,
    report::Report,
    stats::{median, ms, percentile},
};

const PAGE: &str = "/v1/models/none";
const ROUNDS: usize = 5;
/// Tokens are made by this many users.
const USERS: usize = 20;

/// Measures with so many clients at once, and so many tokens.
///
/// # Errors
/// Where a request fails.
pub async fn measure(program: &Path, clients: usize, tokens: usize, report: &mut Report) -> io::Result<()> {
    let mut options = durable();
    options
        .settings
        .push("shared_preload_libraries=pg_stat_statements".to_owned());
    let fleet = builder(program)
        .workers(0)
        .own_postgres(options)
        // Nobody is sent away before their token is looked at.
        .config(&format!("[server]\nmax_in_flight = {clients}\n"));
    let fleet = start(fleet).await;
    let sql = fleet.sql();
    sql.query("CREATE EXTENSION pg_stat_statements").await;
    let texts: Vec<String> = (0..tokens)
        .map(|n| fleet.create_token(&format!("cold{}@example.com", n % USERS), &["models:read"]))
        .collect();
    let (mut worst, mut times, mut warm) = (0, Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut connected = connect(&fleet, clients, &texts).await?;
        fleet
            .redis
            .as_ref()
            .expect("this fleet has Redis")
            .command(&["FLUSHALL"]);
        sql.query("SELECT pg_stat_statements_reset()").await;
        times.extend(all_at_once(&mut connected).await?);
        worst = worst.max(reads(&sql).await);
        warm.extend(all_at_once(&mut connected).await?);
    }
    report.judge(
        &format!(
            "{clients} clients at once with {tokens} tokens, two APIs, nothing cached: reads of a token, worst of {ROUNDS} rounds"
        ),
        worst.to_string(),
        format!("≤ {tokens}"),
        usize::try_from(worst).is_ok_and(|worst| worst <= tokens),
    );
    report.note(
        "The same: request → answer, p50 / p99; and right after it, all cached",
        format!(
            "{:.0} / {:.0} ms; {:.0} / {:.0} ms",
            median(&times),
            percentile(&times, 0.99),
            median(&warm),
            percentile(&warm, 0.99)
        ),
    );
    Ok(())
}

/// Connections to all APIs; each token comes to each of them.
async fn connect(fleet: &Fleet, clients: usize, tokens: &[String]) -> io::Result<Vec<Client>> {
    let addresses: Vec<String> = fleet.apis.iter().map(|api| api.address()).collect();
    let connecting = (0..clients).map(|n| {
        let address = &addresses[n / tokens.len() % addresses.len()];
        Client::connect(address, &tokens[n % tokens.len()])
    });
    try_join_all(connecting).await
}

async fn all_at_once(clients: &mut [Client]) -> io::Result<Vec<f64>> {
    let asked = Instant::now();
    let took: Vec<Duration> = try_join_all(clients.iter_mut().map(|client| async move {
        expect(client.get(PAGE).await?.status, 404)?;
        io::Result::Ok(asked.elapsed())
    }))
    .await?;
    Ok(took.into_iter().map(ms).collect())
}

async fn reads(sql: &Sql) -> i64 {
    let text = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query LIKE '%FROM api_tokens t JOIN users%'";
    sql.number(text).await
}
