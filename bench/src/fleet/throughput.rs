//! How many jobs a second go through the whole fleet and on: many clients submit `echo` for a while, at the
//! pace at which jobs end, since what merely waits is not done. Counted is what ended within the time, by the
//! rows' own times; every job that was accepted must have succeeded in the end.

use std::{
    cell::Cell,
    io,
    path::Path,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use lamplighter_testkit::{fleet::Fleet, process::children};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use super::{ECHO, builder, start, target};
use crate::{client::Client, process::cpu_seconds, report::Report};

/// Clients at once.
const CLIENTS: usize = 64;
/// Clients pause while more jobs than this wait or run.
const AHEAD: i64 = 2000;
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// What passes before the time counts.
const WARM: Duration = Duration::from_secs(3);
/// The longest until the last job has ended.
const DRAINED: Duration = Duration::from_secs(60);

/// Measures for `time`, with Redis and without.
///
/// # Errors
/// Where a job is not accepted, or does not succeed.
pub async fn measure(program: &Path, time: Duration, report: &mut Report) -> io::Result<()> {
    for redis in [true, false] {
        let mut fleet = builder(program);
        if !redis {
            fleet = fleet.without_redis();
        }
        let fleet = start(fleet).await;
        run(&fleet, time, report).await?;
        if let Some(redis) = &fleet.redis {
            let bytes: f64 = redis.info("used_memory").parse().map_err(io::Error::other)?;
            report.note("Redis' used_memory after that", format!("{:.1} MB", bytes / 1e6));
        }
    }
    Ok(())
}

/// What all tasks of a run share; they are on one thread.
#[derive(Default)]
struct Course {
    accepted: Cell<i64>,
    backlog: Cell<i64>,
    over: Cell<bool>,
}

async fn run(fleet: &Fleet, time: Duration, report: &mut Report) -> io::Result<()> {
    let mut sql = PgConnection::connect(&fleet.database_url())
        .await
        .map_err(io::Error::other)?;
    let clients = target(fleet).clients(CLIENTS).await?;
    let course = Course::default();
    let (window, ()) = tokio::try_join!(pace(fleet, &mut sql, &course, time), async {
        try_join_all(clients.into_iter().map(|client| submit(client, &course))).await?;
        Ok(())
    })?;
    drain(&mut sql).await?;
    let figures = read(&mut sql, &window).await.map_err(io::Error::other)?;
    if figures.succeeded != course.accepted.get() || figures.all != figures.succeeded {
        return Err(io::Error::other(format!(
            "{} jobs were accepted, {} are there, {} succeeded",
            course.accepted.get(),
            figures.all,
            figures.succeeded
        )));
    }
    let seconds = (window.to - window.from) as f64 / 1000.0;
    let mode = if fleet.redis.is_some() { "Redis" } else { "polling" };
    report.note(
        &format!(
            "echo through 2 APIs and 2 workers, {mode}, {CLIENTS} clients, {seconds:.0} s ({} jobs in all, none lost)",
            figures.all
        ),
        format!(
            "{:.0} jobs/s submitted, {:.0} jobs/s done",
            figures.submitted as f64 / seconds,
            figures.done as f64 / seconds
        ),
    );
    report.note(
        &format!("The same, {mode}: submitted → done with some {AHEAD} ahead, p50 / p99"),
        format!("{:.0} / {:.0} ms", figures.p50, figures.p99),
    );
    let a_job = |used: f64| format!("{:.2}", 1000.0 * used / figures.done.max(1) as f64);
    let [apis, workers, runners, postgres, ours] = window.used.map(a_job);
    report.note(
        &format!("The same, {mode}: processor time a job: APIs, workers, runners, Postgres, the clients"),
        format!("{apis}, {workers}, {runners}, {postgres}, {ours} ms"),
    );
    Ok(())
}

/// One client: as long as the run goes on, and not too far ahead.
async fn submit(mut client: Client, course: &Course) -> io::Result<()> {
    while !course.over.get() {
        if course.backlog.get() > AHEAD {
            sleep(Duration::from_millis(5)).await;
            continue;
        }
        client.submit(ECHO, "respond-async").await?;
        course.accepted.set(course.accepted.get() + 1);
        course.backlog.set(course.backlog.get() + 1);
    }
    Ok(())
}

/// What counts: from when to when, by the database's clock, and the processor time meanwhile.
struct Window {
    from: i64,
    to: i64,
    used: [f64; 5],
}

/// Keeps the clients from running ahead, and ends the run.
async fn pace(fleet: &Fleet, sql: &mut PgConnection, course: &Course, time: Duration) -> io::Result<Window> {
    let started = Instant::now();
    let mut from = None;
    loop {
        sleep(LOOK).await;
        let (backlog, now) = look(sql).await?;
        course.backlog.set(backlog);
        if from.is_none() && started.elapsed() >= WARM {
            from = Some((now, used(fleet)));
        }
        if let Some((from, before)) = from
            && started.elapsed() >= WARM + time
        {
            course.over.set(true);
            let after = used(fleet);
            let used = std::array::from_fn(|part| after[part] - before[part]);
            return Ok(Window { from, to: now, used });
        }
    }
}

/// Jobs that wait or run, and the database's clock.
async fn look(sql: &mut PgConnection) -> io::Result<(i64, i64)> {
    let text = "SELECT coalesce(sum(waiting + running), 0)::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM lanes";
    sqlx::query_as(text)
        .fetch_one(sql)
        .await
        .map_err(io::Error::other)
}

async fn drain(sql: &mut PgConnection) -> io::Result<()> {
    let end = Instant::now() + DRAINED;
    while look(sql).await?.0 > 0 {
        if Instant::now() > end {
            return Err(io::Error::other(format!("jobs are left after {DRAINED:?}")));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// What the rows say.
struct Figures {
    all: i64,
    succeeded: i64,
    submitted: i64,
    done: i64,
    p50: f64,
    p99: f64,
}

async fn read(sql: &mut PgConnection, window: &Window) -> Result<Figures, sqlx::Error> {
    let text = "WITH ours AS (
            SELECT *, completed_at - created_at AS took, completed_at >= $1 AND completed_at < $2 AS counts FROM jobs
        ) SELECT count(*), count(*) FILTER (WHERE state = 'succeeded'),
            count(*) FILTER (WHERE created_at >= $1 AND created_at < $2),
            count(*) FILTER (WHERE counts),
            coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE counts), 0),
            coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY took) FILTER (WHERE counts), 0)
        FROM ours";
    let (all, succeeded, submitted, done, p50, p99) = sqlx::query_as(text)
        .bind(window.from)
        .bind(window.to)
        .fetch_one(sql)
        .await?;
    Ok(Figures {
        all,
        succeeded,
        submitted,
        done,
        p50,
        p99,
    })
}

/// Processor time so far: APIs, workers, their runners, Postgres, this process.
fn used(fleet: &Fleet) -> [f64; 5] {
    let of = |pids: Vec<u32>| pids.into_iter().map(cpu_seconds).sum::<f64>();
    [
        of(fleet.apis.iter().map(|node| node.pid()).collect()),
        of(fleet.workers.iter().map(|node| node.pid()).collect()),
        of(fleet.workers.iter().flat_map(|node| node.runner_pids()).collect()),
        of(children(fleet.postgres().pid())),
        cpu_seconds(std::process::id()),
    ]
}
