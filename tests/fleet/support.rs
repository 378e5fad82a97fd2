//! What the scenarios share: a fleet under a load, with a history, and the judgement at the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    api::Api,
    checker::{self, Verdict},
    fleet::{Builder, Fleet},
    history::History,
    load::{self, Load},
    scenario::{Scenario, sized},
};
use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};

/// The binary under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");

/// A fleet on trial.
pub struct Trial {
    /// Its name and seed.
    pub scenario: Scenario,
    /// The fleet.
    pub fleet: Fleet,
    /// What clients see of it.
    pub history: Arc<History>,
    spot_checks: (Arc<AtomicBool>, JoinHandle<()>),
}

impl Trial {
    /// Starts the fleet that `plan` makes of the usual one, and the eyes that look at jobs all the time.
    pub async fn begin(name: &str, plan: impl FnOnce(Builder) -> Builder) -> Self {
        let scenario = Scenario::new(name);
        let builder = Fleet::builder(PROGRAM).seed(scenario.seed());
        let fleet = plan(builder).start().await;
        let history = Arc::new(History::new(fleet.folder()));
        let over = Arc::new(AtomicBool::new(false));
        let looking = load::spot_check(fleet.all_apis(), history.clone(), scenario.seed(), over.clone());
        Self {
            spot_checks: (over, tokio::spawn(looking)),
            scenario,
            fleet,
            history,
        }
    }

    /// The usual load of `echo` jobs on all APIs, in the background.
    pub fn echo_load(&self, jobs: usize, rate: f64) -> JoinHandle<()> {
        let load = Load {
            patience: Duration::from_secs(sized(60, 600)),
            ..Load::new(self.fleet.all_apis(), jobs, rate, self.scenario.seed())
        };
        tokio::spawn(load.run(self.history.clone(), Load::echo))
    }

    /// Waits until no job waits or runs, at most `limit`, reads every acknowledged job once more and judges.
    pub async fn settle(&mut self, limit: Duration) -> Verdict {
        let sql = self.fleet.sql();
        let began = Instant::now();
        while began.elapsed() < limit {
            let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'processing')";
            if sql.number(open).await == 0 {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.spot_checks.0.store(true, Ordering::Relaxed);
        (&mut self.spot_checks.1).await.expect("a reader ends well");
        let jobs = self.history.acknowledged();
        load::read_all(&self.fleet.all_apis(), &self.history, &jobs).await;
        Verdict::of(&self.history.entries(), &checker::rows(&sql).await)
    }

    /// How long an `echo` job takes from its submit to its end, one after the other: the median of nine.
    pub async fn round_trip(&self) -> Duration {
        let api = self.fleet.api(0);
        let mut took = Vec::new();
        for _ in 0..9 {
            took.push(one_round(&api).await);
            // Off the beat of a worker that polls.
            sleep(Duration::from_millis(60)).await;
        }
        took.sort_unstable();
        took[4]
    }
}

async fn one_round(api: &Api) -> Duration {
    let began = Instant::now();
    let request = api.request(reqwest::Method::POST, "/v1/jobs");
    let request = request.header("prefer", "wait=30");
    let body = json!({"model": "echo", "input": {"round": 1}});
    let answer = request.json(&body).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200, "it is done within the wait");
    began.elapsed()
}
