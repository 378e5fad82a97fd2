//! What limits cost: submitting as a user whose plan has none, and as one whose plan has a rate, quotas of hours
//! and days, and a number of jobs that may wait, all out of reach; in turns, to the same two APIs. No worker runs.

use std::{io, path::Path};

use super::{ECHO, builder, start, target_as};
use crate::{
    load,
    report::Report,
    stats::{median, ms, percentile},
};

/// Clients at once.
const CLIENTS: [usize; 2] = [1, 32];
/// Jobs before the first that counts.
const WARM: usize = 200;
/// The least throughput with limits, as a part of that without.
const REQUIRED: f64 = 0.8;
const CONFIG: &str = "[plans.basic]
requests_per_minute = 600000000
burst = 100000000
jobs_per_hour = 1000000000
jobs_per_day = 1000000000
waiting = 1000000000
running = 1000
weight = 8
";
const WITHOUT: &str = "without@example.com";
const WITH: &str = "with@example.com";

/// One plan's figures: of each round the jobs a second, and of each request how long it took, milliseconds.
#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    each: Vec<f64>,
}

/// Measures `rounds` rounds with `count` jobs each; a client alone submits a tenth of that.
///
/// # Errors
/// Where a job is not accepted.
pub async fn measure(program: &Path, count: usize, rounds: usize, report: &mut Report) -> io::Result<()> {
    let fleet = start(builder(program).workers(0).config(CONFIG)).await;
    let tokens = [(WITHOUT, "unlimited"), (WITH, "basic")].map(|(user, plan)| {
        let token = fleet.create_token(user, &["jobs:write", "jobs:read"]);
        fleet.run(&["user", "set-plan", user, plan]);
        token
    });
    let jobs = vec![ECHO.to_owned(); count.max(WARM)];
    for token in &tokens {
        load::submit(target_as(&fleet, token), 8, &jobs[..WARM], "respond-async").await?;
    }
    for clients in CLIENTS {
        let count = if clients == 1 { count.div_ceil(10) } else { count };
        let mut figures = [Figures::default(), Figures::default()];
        for round in 0..rounds {
            let mut order = [0, 1];
            if round % 2 == 1 {
                order.reverse();
            }
            for plan in order {
                let target = target_as(&fleet, &tokens[plan]);
                let load = load::submit(target, clients, &jobs[..count], "respond-async").await?;
                figures[plan].rates.push(count as f64 / load.took.as_secs_f64());
                figures[plan].each.extend(load.each.iter().copied().map(ms));
            }
        }
        tell(clients, &figures, report);
    }
    Ok(())
}

fn tell(clients: usize, [without, with]: &[Figures; 2], report: &mut Report) {
    let ratio = median(&with.rates) / median(&without.rates);
    let rounds: Vec<String> = with
        .rates
        .iter()
        .zip(&without.rates)
        .map(|(with, without)| format!("{:.2}", with / without))
        .collect();
    report.judge(
        &format!(
            "`respond-async`, {clients} clients, two APIs: jobs/s accepted with limits ÷ without, medians {:.0} ÷ {:.0} (rounds: {})",
            median(&with.rates),
            median(&without.rates),
            rounds.join(", ")
        ),
        format!("{ratio:.2}"),
        format!("≥ {REQUIRED}"),
        ratio >= REQUIRED,
    );
    let two = |figures: &Figures| {
        format!(
            "{:.2} / {:.2} ms",
            median(&figures.each),
            percentile(&figures.each, 0.99)
        )
    };
    report.note(
        &format!("The same, {clients} clients: p50 / p99 with limits; without"),
        format!("{}; {}", two(with), two(without)),
    );
}
