//! What a token costs a request: the same request with a good token and with one of a wrong checksum, which is
//! refused at first sight, in turns over kept connections. The page it asks for is not there, and that takes
//! nothing: what differs is the seal, the cache, the plan, and, where that has one, the rate.

use std::{io, path::Path, time::Instant};

use lamplighter_testkit::{fleet::Fleet, redis::Redis};
use tokio::time::sleep;

use super::{builder, start};
use crate::{
    client::Client,
    report::Report,
    stats::{median, ms, percentile},
};

/// There is no such model: who may know is told so without a look into the database.
const PAGE: &str = "/v1/models/none";
/// Requests before the first that counts.
const WARM: usize = 200;
/// What the check may add, microseconds.
const REQUIRED_US: f64 = 150.0;
/// Plans with rates that nobody comes near.
const CONFIG: &str = "[plans.basic]\nrequests_per_minute = 600000000\nburst = 100000000\n";

/// Measures with `count` requests of each kind: a user without a rate, and one with.
///
/// # Errors
/// Where a request fails, or a token is not judged as it should be.
pub async fn measure(program: &Path, count: usize, report: &mut Report) -> io::Result<()> {
    let fleet = start(builder(program).workers(0).config(CONFIG)).await;
    let scopes = ["models:read"];
    let free = fleet.token().to_owned();
    fleet.create_token("rated@example.com", &scopes);
    fleet.run(&["user", "set-plan", "rated@example.com", "basic"]);
    // Made only now: what the user had is void in the cache for a minute after the change.
    let rated = fleet.create_token("rated@example.com", &scopes);
    for (token, plan, required) in [
        (&free, "no rate", Some(REQUIRED_US)),
        (&rated, "a rate in the plan", None),
    ] {
        let pair = Pair::measure(&fleet, token, count).await?;
        let figure = format!("{:.0} µs", pair.added_us());
        let what = format!(
            "Check of a token, {plan}: added to a request, p50 of {count} (p50 / p90 / p99 {} with, {} without)",
            three(&pair.with),
            three(&pair.without)
        );
        match required {
            Some(most) => {
                let met = pair.added_us() <= most;
                report.judge(&what, figure, format!("≤ {most:.0} µs"), met);
            }
            None => report.note(&what, figure),
        }
        let redis = fleet.redis.as_ref().expect("this fleet has Redis");
        let reads = round_trips(&fleet, redis, token, count).await?;
        let what = format!("Check of a token, {plan}: reads of Redis from its sockets, a request of {count}");
        match required {
            // Links ping now and then.
            Some(_) => report.judge(&what, format!("{reads:.3}"), "≤ 1".to_owned(), reads < 1.05),
            None => report.note(&what, format!("{reads:.3}")),
        }
    }
    Ok(())
}

/// Milliseconds of requests with a good token, and without.
struct Pair {
    with: Vec<f64>,
    without: Vec<f64>,
}

impl Pair {
    async fn measure(fleet: &Fleet, token: &str, count: usize) -> io::Result<Self> {
        let address = fleet.apis[0].address();
        let mut with = Client::connect(&address, token).await?;
        let mut without = Client::connect(&address, &misspelt(token)).await?;
        let mut pair = Self {
            with: Vec::new(),
            without: Vec::new(),
        };
        for round in 0..WARM + count {
            let mut turns = [
                (&mut with, &mut pair.with, 404),
                (&mut without, &mut pair.without, 401),
            ];
            if round % 2 == 1 {
                turns.reverse();
            }
            for (client, times, expected) in turns {
                let asked = Instant::now();
                let answer = client.get(PAGE).await?;
                let took = ms(asked.elapsed());
                expect(answer.status, expected)?;
                if round >= WARM {
                    times.push(took);
                }
            }
        }
        Ok(pair)
    }

    fn added_us(&self) -> f64 {
        (median(&self.with) - median(&self.without)) * 1000.0
    }
}

/// How often Redis read from a socket for one request: commands that travel together count once. What it reads
/// while nobody asks is taken off.
async fn round_trips(fleet: &Fleet, redis: &Redis, token: &str, count: usize) -> io::Result<f64> {
    let reads = || -> io::Result<f64> {
        redis
            .info("total_reads_processed")
            .parse()
            .map_err(io::Error::other)
    };
    let mut client = Client::connect(&fleet.apis[0].address(), token).await?;
    expect(client.get(PAGE).await?.status, 404)?;
    let (before, began) = (reads()?, Instant::now());
    for _ in 0..count {
        expect(client.get(PAGE).await?.status, 404)?;
    }
    let busy = reads()? - before;
    let time = began.elapsed();
    let before = reads()?;
    sleep(time).await;
    let idle = reads()? - before;
    Ok((busy - idle) / count as f64)
}

/// The token with a wrong last character.
fn misspelt(token: &str) -> String {
    let last = if token.ends_with('0') { '1' } else { '0' };
    let mut text = token.to_owned();
    text.pop();
    text.push(last);
    text
}

pub(super) fn expect(status: u16, expected: u16) -> io::Result<()> {
    if status == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("status {status}, not {expected}")))
}

fn three(times: &[f64]) -> String {
    let part = |part| percentile(times, part);
    format!("{:.3} / {:.3} / {:.3} ms", part(0.5), part(0.9), part(0.99))
}
