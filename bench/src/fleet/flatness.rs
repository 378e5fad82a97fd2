//! What a long queue costs: a claim and a submit with a thousand jobs waiting and with many, in two databases
//! of one durable Postgres, in turns; and what all those jobs take of Redis, once each of them has been rung.

use std::{
    io,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryFutureExt, stream};
use lamplighter_shared::{
    cache::redis::Redis,
    db::{
        Db,
        claim::{Claimed, Claimer, claim},
        finish::{Finish, Outcome, finish},
        shares::ShareLimits,
        submit::{NewJob, Submitted, Submitter},
    },
    id::{JobId, UserId},
    job::{Metrics, Priority},
    lifecycle::Lifecycle,
    queue::{Doorbell, RedisDoorbell},
};
use lamplighter_testkit::{postgres::Postgres, redis};
use uuid::Uuid;

use super::durable;
use crate::{
    report::Report,
    stats::{median, ms, percentile},
};

/// What the short queue holds.
const FEW: usize = 1000;
/// The most the long one may cost, in times of the short one.
const REQUIRED: f64 = 1.2;
/// The most Redis may take, bytes.
const REDIS_MOST: f64 = 64.0 * 1024.0 * 1024.0;
/// Users whose jobs wait.
const USERS: usize = 200;
/// Jobs in one claim.
const BATCH: usize = 8;
/// Rows loaded by one statement.
const PART: usize = 50_000;
const MODEL: &str = "echo";
const INPUT: &str = r#"{"text":"a sentence of a dozen words or so, as most of them are"}"#;

/// Measures `rounds` rounds with `rows` jobs waiting, and as many with few.
///
/// # Errors
/// Where the database fails.
pub async fn measure(rows: usize, rounds: usize, report: &mut Report) -> io::Result<()> {
    let server = Postgres::start_with(&durable());
    let began = Instant::now();
    let mut few = Queue::load(&server, FEW).await?;
    let mut many = Queue::load(&server, rows).await?;
    eprintln!("loaded in {:?}", began.elapsed());
    // What loading has left to write is written now, not in the middle of a round.
    server.query("postgres", "CHECKPOINT");
    for round in 0..rounds + rounds / 10 {
        if round == rounds / 10 {
            // The first rounds were to warm up.
            (few.times, many.times) = Default::default();
        }
        // Who goes first may pay for the other's dirty pages: in turns.
        let mut queues = [&mut few, &mut many];
        if round % 2 == 1 {
            queues.reverse();
        }
        for queue in queues {
            queue.round(round).await?;
        }
    }
    for (what, few, many) in [
        ("Submit", &few.times.submits, &many.times.submits),
        ("Claim of 1", &few.times.single, &many.times.single),
        ("Claim of 8", &few.times.claims, &many.times.claims),
    ] {
        let ratio = median(many) / median(few);
        report.judge(
            &format!(
                "{what}, {rows} waiting ÷ {FEW} waiting (Postgres, fsync on): p50 of {} {:.2} ÷ {:.2} ms (p90 {:.2}, {:.2})",
                many.len(),
                median(many),
                median(few),
                percentile(many, 0.9),
                percentile(few, 0.9)
            ),
            format!("{ratio:.2}"),
            format!("≤ {REQUIRED}"),
            ratio <= REQUIRED,
        );
    }
    memory(rows, report).await
}

/// Rings for every one of `rows` jobs, as their submits would have.
async fn memory(rows: usize, report: &mut Report) -> io::Result<()> {
    let server = redis::Redis::start();
    let lifecycle = Lifecycle::default();
    let redis = Redis::connect(&server.url()).map_err(io::Error::other)?;
    redis.connected_within(Duration::from_secs(5)).await;
    let bell = RedisDoorbell::start(&redis, &lifecycle);
    let began = Instant::now();
    stream::iter(0..rows)
        .for_each_concurrent(64, |_| bell.ring(MODEL, JobId::generate()))
        .await;
    eprintln!("rung {rows} times in {:?}", began.elapsed());
    let kept = server.command(&["XLEN", &format!("lamplighter:bell:{MODEL}")]);
    let bytes = |name: &str| server.info(name).parse::<f64>().map_err(io::Error::other);
    let (used, peak) = (bytes("used_memory")?, bytes("used_memory_peak")?);
    let added = kept.number().unwrap_or_default();
    if added == 0 {
        return Err(io::Error::other("no ring has reached Redis"));
    }
    report.judge(
        &format!(
            "Redis' used_memory after a ring for each of {rows} jobs ({added} entries kept, peak {:.1} MB)",
            peak / 1e6
        ),
        format!("{:.1} MB", used / 1e6),
        "≤ 64 MB".to_owned(),
        used <= REDIS_MOST,
    );
    lifecycle.stop(Duration::from_secs(1)).await;
    Ok(())
}

/// Milliseconds.
#[derive(Default)]
struct Times {
    submits: Vec<f64>,
    single: Vec<f64>,
    claims: Vec<f64>,
}

/// A queue that stays as long as it is.
struct Queue {
    db: Db,
    submitter: Submitter,
    claimer: Claimer,
    times: Times,
    _lifecycle: Lifecycle,
}

impl Queue {
    async fn load(server: &Postgres, rows: usize) -> io::Result<Self> {
        let (name, url) = server.create_database();
        let db = Db::connect(&url).await.map_err(io::Error::other)?;
        db.migrate().await.map_err(io::Error::other)?;
        let sql = server.sql(&name);
        for statement in statements(rows) {
            sql.try_query(&statement).await.map_err(io::Error::other)?;
        }
        let lifecycle = Lifecycle::default();
        Ok(Self {
            submitter: Submitter::start(db.clone(), &lifecycle, Duration::from_secs(3600)),
            db,
            claimer: Claimer {
                boot: Uuid::now_v7(),
                worker: "bench".to_owned(),
                lease: Duration::from_secs(600),
            },
            times: Times::default(),
            _lifecycle: lifecycle,
        })
    }

    /// Each thing once; what is claimed ends, and as many are submitted.
    async fn round(&mut self, round: usize) -> io::Result<()> {
        let owner = |n: usize| user((round * (BATCH + 1) + n) % USERS);
        let began = Instant::now();
        self.submit(owner(0)).await?;
        self.times.submits.push(ms(began.elapsed()));
        for n in 1..=BATCH {
            self.submit(owner(n)).await?;
        }
        let took = self.work(1).await?;
        self.times.single.push(took);
        let took = self.work(BATCH).await?;
        self.times.claims.push(took);
        Ok(())
    }

    async fn submit(&self, owner: UserId) -> io::Result<()> {
        match self.submitter.submit(job(owner)).await {
            Ok(Submitted::Created(_)) => Ok(()),
            other => Err(io::Error::other(format!("not stored: {other:?}"))),
        }
    }

    /// Claims so many (the time of that is returned) and writes their ends.
    async fn work(&self, count: usize) -> io::Result<f64> {
        let began = Instant::now();
        let claimed = claim(&self.db, MODEL, count, &self.claimer)
            .map_err(io::Error::other)
            .await?;
        let took = ms(began.elapsed());
        let ends: Vec<Finish> = claimed.iter().map(end).collect();
        let ended = finish(&self.db, self.claimer.boot, 3, &ends)
            .map_err(io::Error::other)
            .await?;
        if ended.len() != count {
            return Err(io::Error::other(format!(
                "{} of {count} jobs have ended",
                ended.len()
            )));
        }
        Ok(took)
    }
}

fn user(number: usize) -> UserId {
    UserId(Uuid::from_u128((1 << 80) + number as u128))
}

fn job(owner: UserId) -> NewJob {
    NewJob {
        id: JobId::generate(),
        owner,
        owner_is_guest: false,
        model: MODEL.to_owned(),
        task: "echo".to_owned(),
        priority: Priority::Normal,
        cost: 1,
        share_key: owner.0.to_string(),
        plan_weight: 1,
        running_cap: None,
        limits: ShareLimits::default(),
        token: None,
        input: INPUT.to_owned(),
        metadata: None,
        start_timeout: Duration::from_secs(86_400),
        run_timeout: Duration::from_secs(60),
        retry_of: None,
        idempotency: None,
        trace: None,
    }
}

fn end(claimed: &Claimed) -> Finish {
    Finish {
        job: claimed.job.id,
        epoch: claimed.job.epoch,
        outcome: Outcome::Succeeded(INPUT.to_owned()),
        metrics: Metrics::default(),
        last_seq: 0,
    }
}

/// Puts `rows` waiting jobs of all users into an empty database, as submits in turns would have.
fn statements(rows: usize) -> Vec<String> {
    let id = |kind: u32, n: &str| format!("(lpad('{kind}', 12, '0') || lpad(to_hex({n}), 20, '0'))::uuid");
    let (waiting, owner) = (id(2, "i"), id(1, &format!("i % {USERS}")));
    let now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let mut all = vec![format!(
        "INSERT INTO users (id, email, role, created_at, verified_at, approved_at)
         SELECT {owner}, i || '@example.com', 'user', 0, 0, 0 FROM generate_series(0, {USERS} - 1) i"
    )];
    for from in (0..rows).step_by(PART) {
        let to = rows.min(from + PART) - 1;
        all.push(format!(
            "INSERT INTO jobs (id, owner_id, model, task, share_key, priority, state, rank, created_at, run_at,
               start_deadline, run_timeout_ms, attempt, epoch)
             SELECT {waiting}, {owner}, '{MODEL}', 'echo', {owner}::text, 'normal', 'queued',
               1000000::bigint * (1 + i / {USERS}), {now}, {now}, {now} + 86400000, 60000, 0, 0
             FROM generate_series({from}, {to}) i"
        ));
        all.push(format!(
            "INSERT INTO job_payloads (job_id, input) SELECT {waiting}, '{INPUT}' FROM generate_series({from}, {to}) i"
        ));
    }
    all.extend([
        "INSERT INTO lanes (model, share_key, priority, last_rank, waiting, running)
         SELECT model, share_key, priority, max(rank), count(*), 0 FROM jobs GROUP BY 1, 2, 3"
            .to_owned(),
        format!("INSERT INTO queues (model, last_claimed_rank) VALUES ('{MODEL}', 0)"),
    ]);
    // One by one: each has a minute.
    let tables = ["users", "jobs", "job_payloads", "lanes", "queues"];
    all.extend(tables.map(|table| format!("VACUUM ANALYZE {table}")));
    all
}
