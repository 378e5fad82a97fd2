//! R22, a soak: for minutes everything that the other scenarios do happens by chance, some of it at once, and
//! twice the whole machine goes. Nothing is lost, nothing is seen to end twice, and nothing grows.
//!
//! `LAMPLIGHTER_SOAK_MINUTES` says how long (3), `LAMPLIGHTER_TEST_SEED` what happens.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_testkit::{fleet::Node, load::Load, postgres, process, proxy::Fault, redis};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::support::Trial;

const APIS: usize = 2;
const WORKERS: usize = 3;
/// Jobs a second.
const RATE: f64 = 30.0;
/// Leases are shorter than by default, so that more of them run out.
const LEASE: f64 = 4.0;
const GRACE: Duration = Duration::from_secs(2);
/// What a process that is asked to end may take; the machine is busy.
const EXIT: Duration = Duration::from_secs(25);
/// Bounds of growth: resident memory of a process, KiB; descriptors; Redis, bytes.
const MORE_RSS: u64 = 96 << 10;
const MORE_FILES: usize = 60;
const MORE_REDIS: i64 = 32 << 20;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Strike {
    KillWorker(usize),
    KillRunner(usize),
    /// For longer than a lease.
    FreezeWorker(usize),
    KillApi(usize),
    StopWorker(usize),
    StopApi(usize),
    KillRedis,
    EmptyRedis,
    FreezeRedis,
    RestartPostgres,
    FreezePostgres,
    CutFromPostgres(usize, Fault),
    CutFromRedis(usize, Fault),
    /// A job that never ends by itself.
    Hang,
    /// Every process, Postgres and Redis at once.
    Everything,
}

impl Strike {
    fn by_chance(random: &mut StdRng) -> Self {
        let (worker, api) = (random.random_range(0..WORKERS), random.random_range(0..APIS));
        let node = random.random_range(0..APIS + WORKERS);
        let faults = [
            Fault::BlackHole,
            Fault::Mute,
            Fault::Reset,
            Fault::HalfClose,
            Fault::Refuse,
            Fault::Delay {
                delay: Duration::from_millis(200),
                jitter: Duration::from_millis(300),
            },
        ];
        let fault = faults[random.random_range(0..faults.len())];
        match random.random_range(0..14) {
            0 => Self::KillWorker(worker),
            1 => Self::KillRunner(worker),
            2 => Self::FreezeWorker(worker),
            3 => Self::KillApi(api),
            4 => Self::StopWorker(worker),
            5 => Self::StopApi(api),
            6 => Self::KillRedis,
            7 => Self::EmptyRedis,
            8 => Self::FreezeRedis,
            9 => Self::RestartPostgres,
            10 => Self::FreezePostgres,
            11 => Self::CutFromPostgres(node, fault),
            12 => Self::CutFromRedis(node, fault),
            _ => Self::Hang,
        }
    }

    /// A server that is away can't be struck once more; processes and lines can.
    fn is_of_a_server(self) -> bool {
        matches!(
            self,
            Self::KillRedis
                | Self::EmptyRedis
                | Self::FreezeRedis
                | Self::RestartPostgres
                | Self::FreezePostgres
        )
    }

    /// How long it lasts.
    fn lasts(self, random: &mut StdRng) -> Duration {
        Duration::from_millis(match self {
            Self::FreezeWorker(_) => random.random_range(6_500..9_000),
            Self::CutFromPostgres(..) | Self::CutFromRedis(..) => random.random_range(2_000..8_000),
            _ => random.random_range(500..3_000),
        })
    }
}

fn node(trial: &mut Trial, number: usize) -> &mut Node {
    match number.checked_sub(APIS) {
        None => &mut trial.fleet.apis[number],
        Some(worker) => &mut trial.fleet.workers[worker],
    }
}

fn all_nodes(trial: &mut Trial) -> impl Iterator<Item = &mut Node> {
    trial.fleet.apis.iter_mut().chain(&mut trial.fleet.workers)
}

/// A fleet and what is done to it.
struct Nemesis {
    trial: Trial,
    random: StdRng,
    struck: BTreeMap<String, usize>,
    /// Processes that we ended and that are not started again yet.
    ours: Vec<String>,
    /// Processes that ended though nobody asked them to.
    by_themselves: Vec<String>,
    hangs: usize,
}

impl Nemesis {
    async fn strike(&mut self, strike: Strike) {
        let text = format!("{strike:?}");
        let kind = text.split('(').next().unwrap_or(&text).to_owned();
        self.trial.history.fault(text);
        *self.struck.entry(kind).or_default() += 1;
        let fleet = &mut self.trial.fleet;
        match strike {
            Strike::KillWorker(number) => self.kill(number + APIS),
            Strike::KillApi(number) => self.kill(number),
            Strike::StopWorker(number) => self.stop(number + APIS).await,
            Strike::StopApi(number) => self.stop(number).await,
            Strike::KillRunner(number) => {
                if fleet.workers[number].is_running() {
                    fleet.workers[number].kill_runners();
                }
            }
            Strike::FreezeWorker(number) => {
                if fleet.workers[number].is_running() {
                    fleet.workers[number].pause();
                }
            }
            Strike::KillRedis => fleet.redis_mut().kill9(),
            Strike::EmptyRedis => {
                // It may be frozen or dead.
                let _ = fleet.redis_mut().try_command(&["FLUSHALL"]);
            }
            Strike::FreezeRedis => fleet.redis_mut().pause(),
            Strike::RestartPostgres => fleet.postgres_mut().restart_immediate(),
            Strike::FreezePostgres => fleet.postgres().pause(),
            Strike::CutFromPostgres(number, fault) => {
                node(&mut self.trial, number).lines().postgres.set(fault);
            }
            Strike::CutFromRedis(number, fault) => {
                let lines = node(&mut self.trial, number).lines();
                lines.redis.as_ref().expect("a proxy to Redis").set(fault);
            }
            Strike::Hang => self.hang(),
            Strike::Everything => {
                for number in 0..APIS + WORKERS {
                    self.kill(number);
                }
                self.trial.fleet.redis_mut().kill9();
                self.trial.fleet.postgres_mut().kill9();
            }
        }
    }

    fn kill(&mut self, number: usize) {
        let node = node(&mut self.trial, number);
        node.kill9();
        self.ours.push(node.name().to_owned());
    }

    /// As a deployment would: asked to end, and gone in time.
    async fn stop(&mut self, number: usize) {
        let node = node(&mut self.trial, number);
        if node.is_running() {
            node.resume();
            node.sigterm();
            node.wait_exit(EXIT).await;
        }
        self.ours.push(node.name().to_owned());
    }

    /// Nobody waits for the answer: it may be given in a bad moment.
    fn hang(&mut self) {
        let api = self.trial.fleet.api(self.hangs % APIS);
        let body = json!({"model": "echo", "input": {"hang": true}, "timeout": {"run_seconds": 2}});
        self.hangs += 1;
        tokio::spawn(async move {
            let _ = api.try_call(reqwest::Method::POST, "/v1/jobs", Some(&body)).await;
        });
    }

    /// Everything is there again.
    async fn heal(&mut self) {
        let fleet = &mut self.trial.fleet;
        for node in fleet.apis.iter_mut().chain(&mut fleet.workers) {
            node.lines().postgres.heal();
            node.lines().redis.as_ref().expect("a proxy to Redis").heal();
        }
        let redis = fleet.redis_mut();
        redis.resume();
        if redis.try_command(&["PING"]).is_err() {
            redis.restart();
        }
        if fleet.postgres().is_running() {
            fleet.postgres().resume();
        } else {
            fleet.postgres_mut().start_again();
        }
        for node in fleet.apis.iter_mut().chain(&mut fleet.workers) {
            if node.is_running() {
                node.resume();
                continue;
            }
            if !self.ours.iter().any(|name| name == node.name()) {
                self.by_themselves.push(node.name().to_owned());
            }
            node.spawn().await;
        }
        for node in fleet.apis.iter_mut().chain(&mut fleet.workers) {
            node.ready().await;
        }
        self.ours.clear();
        self.trial.history.fault("all is well");
    }

    /// For this time, one strike or two at a time; twice everything.
    async fn rage(&mut self, time: Duration) {
        let began = Instant::now();
        let mut whole = [time / 3, time * 2 / 3].into_iter().peekable();
        while began.elapsed() < time {
            let first = match whole.next_if(|at| began.elapsed() >= *at) {
                Some(_) => Strike::Everything,
                None => Strike::by_chance(&mut self.random),
            };
            self.strike(first).await;
            let mut lasts = first.lasts(&mut self.random);
            let second = Strike::by_chance(&mut self.random);
            let alone = first == Strike::Everything || second.is_of_a_server();
            if self.random.random_bool(0.4) && !alone {
                sleep(lasts / 4).await;
                self.strike(second).await;
                lasts = lasts.max(second.lasts(&mut self.random));
            }
            sleep(lasts).await;
            self.heal().await;
            let pause = self.random.random_range(500..2_500);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Descriptors and resident memory of each process.
    fn sizes(&mut self) -> BTreeMap<String, (usize, u64)> {
        let size = |node: &mut Node| {
            let files = process::open_files(node.pid()).expect("it runs");
            (node.name().to_owned(), (files, node.rss_kb()))
        };
        all_nodes(&mut self.trial).map(size).collect()
    }

    fn redis_memory(&mut self) -> i64 {
        let used = self.trial.fleet.redis_mut().info("used_memory");
        used.parse().expect("a number")
    }
}

fn body(number: usize, random: &mut StdRng) -> Value {
    if number.is_multiple_of(40) {
        let sleep = random.random_range(1_000..6_000);
        return json!({"model": "echo", "input": {"n": number, "sleep_ms": sleep, "chunks": 20}});
    }
    Load::echo(number, random)
}

/// Jobs second by second until `over`; how many.
fn load(trial: &Trial, over: Arc<AtomicBool>) -> impl Future<Output = usize> + use<> {
    let (apis, history, seed) = (
        trial.fleet.all_apis(),
        trial.history.clone(),
        trial.scenario.seed(),
    );
    async move {
        let (mut jobs, mut seconds) = (0, JoinSet::new());
        while !over.load(Ordering::Relaxed) {
            // Another seed for each: it makes the keys.
            let mut load = Load::new(apis.clone(), RATE as usize, RATE, seed + jobs as u64);
            load.patience = Duration::from_secs(120);
            jobs += load.jobs;
            seconds.spawn(load.run(history.clone(), body));
            sleep(Duration::from_secs(1)).await;
        }
        seconds.join_all().await;
        jobs
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak"]
async fn r22_everything_happens_and_nothing_is_lost() {
    let minutes = env::var("LAMPLIGHTER_SOAK_MINUTES").map_or(3.0, |text| {
        text.parse().expect("LAMPLIGHTER_SOAK_MINUTES is a number")
    });
    let options = redis::Options {
        append_only: true,
        ..redis::Options::default()
    };
    let trial = Trial::begin("R22 nemesis", |builder| {
        builder
            .alone()
            .apis(APIS)
            .workers(WORKERS)
            .own_postgres(postgres::Options::default())
            .redis(options)
            .via_proxies(true)
            .env("LAMPLIGHTER_JOBS__LEASE_SECONDS", LEASE.to_string())
            .env("LAMPLIGHTER_JOBS__HEARTBEAT_SECONDS", (LEASE * 0.3).to_string())
            .env(
                "LAMPLIGHTER_JOBS__REAP_CONFIRM_SECONDS",
                (LEASE * 0.4).to_string(),
            )
            .env("LAMPLIGHTER_SERVER__GRACE_SECONDS", GRACE.as_secs().to_string())
            // Many workers are lost here, and no job is to blame.
            .env("LAMPLIGHTER_JOBS__MAX_LEASE_LOSSES", "100")
    })
    .await;
    let mut nemesis = Nemesis {
        random: trial.scenario.random(),
        trial,
        struck: BTreeMap::new(),
        ours: Vec::new(),
        by_themselves: Vec::new(),
        hangs: 0,
    };
    let over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(&nemesis.trial, over.clone()));
    // Warm first: what is kept for good is there after some seconds.
    sleep(Duration::from_secs(8)).await;
    let (sizes, redis_memory) = (nemesis.sizes(), nemesis.redis_memory());
    nemesis.rage(Duration::from_secs_f64(minutes * 60.0)).await;
    over.store(true, Ordering::Relaxed);
    let jobs = load.await.expect("the load ends well");
    let verdict = nemesis.trial.settle(Duration::from_secs(60)).await;
    let (sizes_after, redis_after) = (nemesis.sizes(), nemesis.redis_memory());
    let sql = nemesis.trial.fleet.sql();
    let bytes = sql.number("SELECT pg_database_size(current_database())").await;
    let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'processing')";
    nemesis.trial.scenario.report(&format_args!(
        "{verdict} minutes={minutes} struck={:?} ended_by_themselves={:?} hung_jobs={} \
         files_and_rss_kib_before={sizes:?} after={sizes_after:?} redis_bytes_before={redis_memory} after={redis_after} \
         postgres_mib={}",
        nemesis.struck,
        nemesis.by_themselves,
        nemesis.hangs,
        bytes >> 20
    ));
    verdict.assert_clean();
    assert_eq!((verdict.acknowledged, verdict.count("succeeded")), (jobs, jobs));
    assert_eq!(sql.number(open).await, 0, "the jobs that hang ended, too");
    assert!(nemesis.by_themselves.is_empty(), "{:?}", nemesis.by_themselves);
    for (name, (files, rss)) in &sizes_after {
        let (files_before, rss_before) = sizes[name];
        assert!(
            *files <= files_before + MORE_FILES,
            "{name} has {files} descriptors open"
        );
        assert!(*rss <= rss_before + MORE_RSS, "{name} has {rss} KiB");
    }
    assert!(redis_after <= redis_memory + MORE_REDIS, "{redis_after} bytes");
}
