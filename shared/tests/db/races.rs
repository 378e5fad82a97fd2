//! Two statements want the same row at the same moment, thousands of times, on Postgres: whichever comes
//! first, a job has one end, what was told of it is true, and what has ended never changes.
//!
//! SQLite has one writer and so no such race; `storm` runs there, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lamplighter_shared::{
    db::{
        claim::{Claimed, Claimer, claim},
        finish::{Finish, Finished, Outcome, finish},
        jobs::{self, Cancel},
        lease::heartbeat,
        reap::{ReapRules, Reaped, tick},
        submit::NewJob,
    },
    error::ErrorCode,
    id::{JobId, UserId},
    job::{JobError, JobState},
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::task::JoinSet;

use crate::world::{LEASE, MAX_CRASHES, MODEL, World, end, job, worker};

/// Races of one kind: rounds, and jobs in each.
const ROUNDS: usize = 40;
const EACH: usize = 50;
/// Ends that a worker writes together.
const GROUP: usize = 5;
const RULES: ReapRules = ReapRules {
    confirm: Duration::from_secs(4),
    max_lease_losses: 1000,
};
const TERMINAL: &str = "('succeeded', 'failed', 'canceled', 'expired')";

/// Every change of a job's state, written down by the database itself.
const LEDGER: &str = "
    CREATE TABLE ledger (n bigserial, job uuid, was text, became text);
    CREATE FUNCTION keep_ledger() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO ledger (job, was, became) VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END';
    CREATE TRIGGER keep_ledger AFTER UPDATE ON jobs FOR EACH ROW
        WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION keep_ledger();";

/// A Postgres with a ledger, its jobs' owner, and the dice.
struct Arena {
    w: World,
    owner: UserId,
    seed: u64,
    random: StdRng,
}

impl Arena {
    async fn fresh() -> Self {
        let w = World::fresh("postgres").await;
        w.execute(LEDGER).await;
        let owner = w.user().await;
        let seed = std::env::var("LAMPLIGHTER_TEST_SEED")
            .ok()
            .and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000_000));
        println!("R13 races: LAMPLIGHTER_TEST_SEED={seed}");
        Self {
            w,
            owner,
            seed,
            random: StdRng::seed_from_u64(seed),
        }
    }

    async fn submit(&self) -> Vec<JobId> {
        let patient = || NewJob {
            start_timeout: Duration::from_secs(86_400),
            ..job(self.owner)
        };
        let stored = self.w.submit_all((0..EACH).map(|_| patient()).collect()).await;
        stored.into_iter().map(|job| job.id).collect()
    }

    /// New jobs in the hands of `me`.
    async fn running(&self, me: &Claimer) -> Vec<Claimed> {
        self.submit().await;
        let runs = self.w.claim(me, EACH).await;
        assert_eq!(runs.len(), EACH);
        runs
    }

    /// A few turns of the executor: what starts first does not always come first.
    fn hesitation(&mut self) -> usize {
        self.random.random_range(0..12)
    }

    /// Cancels each of these jobs, each in a task of its own.
    fn cancel_each(&mut self, ids: &[JobId]) -> JoinSet<(JobId, Cancel)> {
        let mut ids = ids.to_vec();
        ids.shuffle(&mut self.random);
        let mut tasks = JoinSet::new();
        for id in ids {
            let (db, owner, turns) = (self.w.db.clone(), self.owner, self.hesitation());
            tasks.spawn(async move {
                hesitate(turns).await;
                (id, jobs::cancel(&db, owner, id).await.expect("cancel"))
            });
        }
        tasks
    }

    /// Writes these ends, a few together.
    fn finish_each(&mut self, me: &Claimer, mut ends: Vec<Finish>) -> JoinSet<Vec<Finished>> {
        ends.shuffle(&mut self.random);
        let mut tasks = JoinSet::new();
        for group in ends.chunks(GROUP) {
            let (db, boot, group, turns) = (self.w.db.clone(), me.boot, group.to_vec(), self.hesitation());
            tasks.spawn(async move {
                hesitate(turns).await;
                finish(&db, boot, MAX_CRASHES, &group).await.expect("finish")
            });
        }
        tasks
    }

    /// Two nodes look for lost leases at once.
    fn reap_twice(&mut self) -> JoinSet<Vec<Reaped>> {
        let mut tasks = JoinSet::new();
        for _ in 0..2 {
            let (db, turns) = (self.w.db.clone(), self.hesitation());
            tasks.spawn(async move {
                hesitate(turns).await;
                tick(&db, RULES).await.expect("tick")
            });
        }
        tasks
    }

    /// The leases of all jobs in hand have run out and were seen so: the next look takes them.
    async fn let_leases_run_out(&self) {
        self.w.clock.advance(LEASE.as_millis() as i64 + 1);
        assert!(tick(&self.w.db, RULES).await.expect("tick").is_empty());
        self.w.clock.advance(4000);
    }

    async fn states(&self) -> BTreeMap<JobId, JobState> {
        let rows = self.w.rows().await;
        rows.into_iter().map(|row| (row.id, row.state)).collect()
    }

    /// Every job ended exactly once; the line of figures.
    async fn judge(&self, what: &str, figures: &str) {
        let all = self.w.number("SELECT count(*) FROM jobs").await;
        let ended_once = format!(
            "SELECT count(*) FROM (SELECT job FROM ledger WHERE became IN {TERMINAL} GROUP BY job HAVING count(*) = 1) x"
        );
        let reverted = format!("SELECT count(*) FROM ledger WHERE was IN {TERMINAL}");
        let (once, reverted) = (self.w.number(&ended_once).await, self.w.number(&reverted).await);
        println!(
            "R13 {what}: seed {}: {all} races, ended exactly once {once}, reverted {reverted}; {figures}",
            self.seed
        );
        assert_eq!((all as usize, once, reverted), (ROUNDS * EACH, all, 0), "{what}");
        self.w.assert_lanes_true().await;
    }
}

async fn hesitate(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

fn output(text: &str) -> Outcome {
    Outcome::Succeeded(format!(r#"{{"by":"{text}"}}"#))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reap_against_finish() {
    let mut arena = Arena::fresh().await;
    let (one, two) = (worker("one"), worker("two"));
    let (mut won, mut lost, mut stale, mut kept) = (0, 0, 0, 0);
    for _ in 0..ROUNDS {
        let runs = arena.running(&one).await;
        arena.let_leases_run_out().await;
        // A part of them is renewed in the same moment, too.
        let renewed: Vec<_> = runs
            .iter()
            .take(EACH / 4)
            .map(|r| (r.job.id, r.job.epoch))
            .collect();
        let ends: Vec<_> = runs
            .iter()
            .skip(EACH / 4)
            .map(|r| end(r, output("one")))
            .collect();
        let (db, boot, turns) = (arena.w.db.clone(), one.boot, arena.hesitation());
        let beats = tokio::spawn(async move {
            hesitate(turns).await;
            heartbeat(&db, boot, &renewed, LEASE).await.expect("heartbeat")
        });
        let (finishing, reaping) = (arena.finish_each(&one, ends), arena.reap_twice());
        let finished: BTreeSet<JobId> = finishing
            .join_all()
            .await
            .concat()
            .iter()
            .map(|f| f.job)
            .collect();
        let held: BTreeSet<JobId> = beats.await.expect("no panic").iter().map(|h| h.job).collect();
        let reaped: Vec<JobId> = reaping.join_all().await.concat().iter().map(|r| r.job).collect();
        let all: BTreeSet<JobId> = finished.iter().chain(&held).chain(&reaped).copied().collect();
        assert_eq!(
            (all.len(), finished.len() + held.len() + reaped.len()),
            (EACH, EACH),
            "each job is one's only, and of two reapers only one's"
        );
        won += finished.len();
        lost += reaped.len();
        kept += held.len();
        // The next worker takes what was lost, and the first comes back with its results.
        let again = arena.w.claim(&two, EACH).await;
        assert_eq!(again.len(), reaped.len());
        let late = |run: &Claimed, epoch: i64| Finish {
            epoch,
            ..end(run, output("zombie"))
        };
        for (boot, epoch) in [(&one, 1), (&one, 2), (&two, 1)] {
            let ends: Vec<_> = again.iter().map(|run| late(run, epoch)).collect();
            stale += ends.len();
            assert!(
                arena.w.finish(boot, &ends).await.is_empty(),
                "a stale end was taken"
            );
        }
        let rest: Vec<_> = again.iter().map(|run| end(run, output("two"))).collect();
        assert_eq!(arena.w.finish(&two, &rest).await.len(), rest.len());
        let rest: Vec<_> = runs.iter().filter(|r| held.contains(&r.job.id)).collect();
        let rest: Vec<_> = rest.into_iter().map(|run| end(run, output("one"))).collect();
        assert_eq!(arena.w.finish(&one, &rest).await.len(), rest.len());
    }
    let by = |who: &str| format!(r#"SELECT count(*) FROM job_payloads WHERE output = '{{"by":"{who}"}}'"#);
    let of_one = arena.w.number(&by("one")).await as usize;
    let of_two = arena.w.number(&by("two")).await as usize;
    assert_eq!(
        (of_one, of_two),
        (won + kept, lost),
        "outputs are those of the runs that won"
    );
    let figures = format!(
        "finish first {won}, reap first {lost}, renewed first {kept}; stale ends offered {stale}, accepted 0"
    );
    arena.judge("reap against finish", &figures).await;
    assert!(won > 0 && lost > 0, "the race was none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancel_against_finish() {
    let mut arena = Arena::fresh().await;
    let me = worker("one");
    let mut answers = BTreeMap::<&str, usize>::new();
    for _ in 0..ROUNDS {
        let runs = arena.running(&me).await;
        let outcome = |dice: u32| match dice {
            0 => Outcome::HandedBack { solo: false },
            1 => Outcome::Crashed(JobError::new(ErrorCode::WorkerCrashed, "bang")),
            2 => Outcome::Failed(JobError::new(ErrorCode::ModelError, "no")),
            3 => Outcome::Canceled,
            _ => output("one"),
        };
        let ends: Vec<_> = runs
            .iter()
            .map(|run| end(run, outcome(arena.random.random_range(0..8))))
            .collect();
        let ids: Vec<JobId> = runs.iter().map(|run| run.job.id).collect();
        let (canceling, finishing) = (arena.cancel_each(&ids), arena.finish_each(&me, ends));
        let finished = finishing.join_all().await.concat();
        assert_eq!(finished.len(), EACH, "a request to cancel takes nobody's lease");
        let told = canceling.join_all().await;
        let states = arena.states().await;
        for (id, answer) in &told {
            let (name, so) = match answer {
                Cancel::Canceled(_) => ("canceled", states[id] == JobState::Canceled),
                Cancel::Requested(_) => ("requested", states[id].is_terminal()),
                Cancel::Finished(job) => ("finished", states[id] == job.state),
                Cancel::NotFound => ("not found", false),
            };
            assert!(so, "told {answer:?}, is {:?}", states[id]);
            *answers.entry(name).or_default() += 1;
        }
        for one in finished.iter().filter(|one| one.state.is_terminal()) {
            assert_eq!(states[&one.job], one.state);
        }
    }
    arena
        .judge("cancel against finish", &format!("answers {answers:?}"))
        .await;
    assert!(answers.len() == 3, "the race was none: {answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancel_against_claim() {
    let mut arena = Arena::fresh().await;
    let (mut before, mut after) = (0, 0);
    for _ in 0..ROUNDS {
        let ids = arena.submit().await;
        let canceling = arena.cancel_each(&ids);
        let mut claiming = JoinSet::new();
        for number in 0..3 {
            let (db, me, turns) = (
                arena.w.db.clone(),
                worker(&format!("w{number}")),
                arena.hesitation(),
            );
            claiming.spawn(async move {
                hesitate(turns).await;
                let runs = claim(&db, MODEL, EACH / 3, &me).await.expect("claim");
                (me, runs)
            });
        }
        let claimed = claiming.join_all().await;
        let held: BTreeSet<JobId> = claimed
            .iter()
            .flat_map(|(_, runs)| runs)
            .map(|r| r.job.id)
            .collect();
        for (id, answer) in canceling.join_all().await {
            match answer {
                Cancel::Canceled(_) => {
                    assert!(!held.contains(&id), "canceled and claimed");
                    before += 1;
                }
                Cancel::Requested(_) => {
                    assert!(held.contains(&id), "its worker is asked to stop what nobody has");
                    after += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        for (me, runs) in &claimed {
            let known: Vec<_> = runs.iter().map(|r| (r.job.id, r.job.epoch)).collect();
            let held = heartbeat(&arena.w.db, me.boot, &known, LEASE)
                .await
                .expect("heartbeat");
            assert!(held.len() == runs.len() && held.iter().all(|h| h.cancel_requested));
            let ends: Vec<_> = runs.iter().map(|run| end(run, Outcome::Canceled)).collect();
            assert_eq!(arena.w.finish(me, &ends).await.len(), ends.len());
        }
    }
    let figures = format!("cancel first {before}, claim first {after}");
    arena.judge("cancel against claim", &figures).await;
    assert!(before > 0 && after > 0, "the race was none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancel_against_reap() {
    let mut arena = Arena::fresh().await;
    let me = worker("one");
    let (mut back, mut ended) = (0, 0);
    for _ in 0..ROUNDS {
        let ids: Vec<JobId> = arena.running(&me).await.iter().map(|run| run.job.id).collect();
        arena.let_leases_run_out().await;
        let (canceling, reaping) = (arena.cancel_each(&ids), arena.reap_twice());
        let mut reaped = reaping.join_all().await.concat();
        canceling.join_all().await;
        // A row that was just being canceled is left to the next look.
        reaped.extend(tick(&arena.w.db, RULES).await.expect("tick"));
        assert_eq!(reaped.len(), EACH, "each is taken once");
        back += reaped.iter().filter(|r| r.state == JobState::Queued).count();
        ended += reaped.iter().filter(|r| r.state == JobState::Canceled).count();
    }
    let states = arena.states().await;
    assert!(states.values().all(|state| *state == JobState::Canceled));
    let figures = format!("reap first {back}, cancel first {ended}");
    arena.judge("cancel against reap", &figures).await;
    assert!(back > 0 && ended > 0, "the race was none");
}
