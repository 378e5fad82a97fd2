//! R12: jobs that kill their runner, in every way a job can, among jobs that do not. Each of them is dead
//! after three runs at most and says why; nobody else fails, and the others go on.

use std::time::Duration;

use lamplighter_testkit::{fleet::Builder, load::Load, scenario::sized};
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::{
    ledger::{self, Ledger},
    signs::{Phase, until},
    support::Trial,
};

/// Jobs in a batch.
const BATCH: usize = 8;
/// What the others may wait longer, seconds: they do beside a hang in their batch until its deadline, and the
/// machine may be busy.
const SLACK: f64 = 10.0;
/// Inputs that became unreadable, and one that is gone: what a damaged table would hold.
const DAMAGE: &str = "
    CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS '
        BEGIN IF NEW.input LIKE ''%\"blob\": \"gone\"%'' OR NEW.input LIKE ''%\"blob\":\"gone\"%'' THEN RETURN NULL; END IF;
        IF NEW.input LIKE ''%\"blob\": \"bad\"%'' OR NEW.input LIKE ''%\"blob\":\"bad\"%'' THEN NEW.input = ''{\"half''; END IF;
        RETURN NEW; END';
    CREATE TRIGGER damage BEFORE INSERT ON job_payloads FOR EACH ROW EXECUTE FUNCTION damage()";

/// A way to be poison.
struct Poison {
    /// Its phase.
    name: &'static str,
    /// The input.
    input: Value,
    /// What the error's type must be.
    error: &'static str,
    /// Runs after which it must be dead.
    runs: i64,
    /// Whether a run of it ends the runner.
    kills: bool,
}

fn poisons() -> Vec<Poison> {
    let poison = |name, input, error, runs, kills| Poison {
        name,
        input,
        error,
        runs,
        kills,
    };
    vec![
        poison("abort", json!({"crash": true}), "worker_crashed", 3, true),
        poison("overflow", json!({"overflow": true}), "worker_crashed", 3, true),
        poison("memory", json!({"allocate_mb": 4096}), "out_of_memory", 3, true),
        poison("panic", json!({"panic": true}), "model_error", 1, false),
        poison(
            "failure",
            json!({"fail": "no such luck"}),
            "model_error",
            1,
            false,
        ),
        poison("bad blob", json!({"blob": "bad"}), "invalid_input", 1, false),
        poison("gone blob", json!({"blob": "gone"}), "invalid_input", 1, false),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_poison_harms_nobody_beside_it() {
    scenario("R12 poison", "echo", poisons()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_poison_harms_nobody_in_its_batch() {
    // In a batch that is computed together a hang holds up all, and nobody can tell whose it is.
    let mut poisons = poisons();
    for (name, input) in [("hang", json!({"hang": true})), ("spin", json!({"spin": true}))] {
        poisons.push(Poison {
            name,
            input,
            error: "timeout",
            runs: 1,
            kills: false,
        });
    }
    scenario("R12 poison, joint batches", "echo-joint", poisons).await;
}

fn plan(builder: Builder, family: &str) -> Builder {
    builder
        .catalogue(&format!(
            "[[model]]\nid = \"echo\"\ntask = \"echo\"\nfamily = {family:?}\nmemory_limit = 1073741824\n\
             [model.limits]\nmax_batch_jobs = {BATCH}\n"
        ))
        .env("LAMPLIGHTER_WORKER__ECHO_FAULTS", "true")
}

async fn scenario(name: &str, family: &str, poisons: Vec<Poison>) {
    let mut trial = Trial::begin(name, |builder| plan(builder, family)).await;
    let sql = trial.fleet.sql();
    ledger::keep(&sql).await;
    sql.query(DAMAGE).await;
    let (good, of_each, rate) = sized((100, 1, 40.0), (1_000, 4, 40.0));
    let alone = Load::new(trial.fleet.all_apis(), good, rate, trial.scenario.seed());
    alone
        .run(trial.history.clone(), |n, _| body("alone", n, json!({})))
        .await;

    // The same again, and the poison in the first half of it.
    let bad = bad_bodies(&poisons, of_each);
    let every = good / 2 / bad.len() + 1;
    let mixed = Load::new(
        trial.fleet.all_apis(),
        good + bad.len(),
        rate,
        trial.scenario.seed() + 1,
    );
    let body_of = move |n: usize, _: &mut StdRng| {
        let poison = bad.get(n / every).filter(|_| n % every == every - 1);
        poison.cloned().unwrap_or_else(|| body("good", n, json!({})))
    };
    mixed.run(trial.history.clone(), body_of).await;
    let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'processing')";
    until("all have ended", async || {
        (sql.number(open).await == 0).then_some(())
    })
    .await;
    judge(&mut trial, &poisons, of_each, good).await;
}

async fn judge(trial: &mut Trial, poisons: &[Poison], of_each: usize, good: usize) {
    let sql = trial.fleet.sql();
    let verdict = trial.settle(Duration::from_secs(60)).await;
    let ledger = Ledger::read(&sql).await;
    let logs: String = trial.fleet.workers.iter().map(|worker| worker.log()).collect();
    let restarts = logs.matches("the runner is gone").count();
    let neighbours = Phase::of(&sql, "good").await;
    let (base, p99) = (Phase::of(&sql, "alone").await.p99(), neighbours.p99());
    let mut ends = Vec::new();
    for poison in poisons {
        let jobs = Phase::of(&sql, poison.name).await;
        ends.push(format!(
            "{}: {} runs {:?}",
            poison.name,
            jobs.most_attempts(),
            jobs.details()
        ));
    }
    trial.scenario.report(&format_args!(
        "{verdict} neighbours failed {} of {good}, most runs of one {}, p99 {:.0} ms (alone {:.0} ms, ratio {:.1}); \
         runners that died {restarts}; {}",
        good - neighbours.count("succeeded", ""),
        neighbours.most_attempts(),
        p99 * 1e3,
        base * 1e3,
        p99 / base,
        ends.join("; "),
    ));
    verdict.assert_clean();
    assert!(ledger.faults().is_empty(), "{:?}", ledger.faults());
    for poison in poisons {
        let jobs = Phase::of(&sql, poison.name).await;
        assert_eq!(
            jobs.count("failed", poison.error),
            of_each,
            "{}: {jobs:?}",
            poison.name
        );
        // Whoever was beside a crash runs once more, poison too.
        assert!(
            jobs.most_attempts() <= poison.runs.max(2),
            "{}: {jobs:?}",
            poison.name
        );
    }
    assert_eq!(neighbours.count("succeeded", ""), good, "{neighbours:?}");
    // Whoever was beside a crash runs alone from then on, and so sees no second one.
    assert!(neighbours.most_attempts() <= 2, "{neighbours:?}");
    assert!(p99 < 5.0 * base + SLACK, "{p99} s, alone {base} s");
    let killers = poisons.iter().filter(|poison| poison.kills).count() * of_each;
    assert!(restarts <= 3 * killers, "{restarts} for {killers} jobs that kill");
}

/// The poisonous jobs, kinds by turns.
fn bad_bodies(poisons: &[Poison], of_each: usize) -> Vec<Value> {
    let one = |round: usize| {
        poisons
            .iter()
            .map(move |poison| body(poison.name, round, poison.input.clone()))
    };
    (0..of_each).flat_map(one).collect()
}

fn body(phase: &str, number: usize, mut input: Value) -> Value {
    input["n"] = number.into();
    input["sleep_ms"] = 50.into();
    json!({"model": "echo", "input": input, "metadata": {"phase": phase}, "timeout": {"run_seconds": 2}})
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_runner_killed_in_its_batch_costs_no_member_its_result() {
    let mut trial = Trial::begin("R12 killed batches of a real model", |builder| {
        builder.models(["minilm"])
    })
    .await;
    let sql = trial.fleet.sql();
    ledger::keep(&sql).await;
    let (jobs, kills) = sized((24, 2), (400, 2));
    let texts: Vec<String> = (0..4)
        .map(|n| format!("sentence {n}: all work and no play"))
        .collect();
    let load = Load {
        watched: 0.0,
        ..Load::new(trial.fleet.all_apis(), jobs, 1_000.0, trial.scenario.seed())
    };
    let submit = load.run(
        trial.history.clone(),
        move |_, _| json!({"model": "minilm", "input": {"texts": texts}, "metadata": {"phase": "batch"}}),
    );
    let submit = tokio::spawn(submit);
    // No job can meet three: that would be its end.
    for _ in 0..kills {
        let running = "SELECT count(*) FROM jobs WHERE state = 'processing'";
        let begun = Ledger::read(&sql).await.claims().count();
        until("a batch runs", async || {
            let more = Ledger::read(&sql).await.claims().count() > begun;
            (more && sql.number(running).await > 0).then_some(())
        })
        .await;
        trial.history.fault("kill all runners");
        trial.fleet.workers.iter().for_each(|worker| {
            worker.kill_runners();
        });
    }
    submit.await.expect("the load ends well");
    let verdict = trial.settle(Duration::from_secs(60)).await;
    let ledger = Ledger::read(&sql).await;
    let done = Phase::of(&sql, "batch").await;
    let outputs = "SELECT count(DISTINCT round((output::json -> 'embeddings' -> 0 ->> 0)::numeric, 4)) FROM job_payloads";
    let different = sql.number(outputs).await;
    trial.scenario.report(&format_args!(
        "{verdict} kills {kills} of all runners; most runs of one {}; different results of equal inputs {}",
        done.most_attempts(),
        different - 1,
    ));
    verdict.assert_clean();
    assert!(ledger.faults().is_empty(), "{:?}", ledger.faults());
    assert_eq!(done.count("succeeded", ""), jobs, "{done:?}");
    let back = ledger
        .0
        .iter()
        .any(|c| c.was == "processing" && c.became == "queued");
    assert!(back, "the kills met nobody");
    assert!(done.most_attempts() <= 1 + kills, "{done:?}");
    assert_eq!(different, 1, "whom a job runs with changes nothing");
}
