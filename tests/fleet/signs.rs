//! What is seen from the outside: figures and logs of processes, the jobs of a part of a scenario. And waiting
//! for something to become true.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lamplighter_testkit::{checker::job_id, fleet::Node, postgres::Sql};
use tokio::time::sleep;

/// Longest anything may take that is not itself measured: the machine may be busy.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is something.
///
/// # Panics
/// Where it is not in time.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(answer) = ask().await {
            return answer;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("not within {LIMIT:?}: {what}");
}

/// The sum of a metric of a process (its name without `lamplighter_`), over all labels; 0 where there is none.
///
/// # Panics
/// Where the process does not tell its figures.
pub async fn metric(node: &Node, name: &str) -> f64 {
    let (status, text) = node.page("/metrics").await.expect("it tells its figures");
    assert_eq!(status.as_u16(), 200, "{text}");
    let value = |line: &str| {
        let rest = line.strip_prefix("lamplighter_")?.strip_prefix(name)?;
        let mine = rest.starts_with(['{', ' ']);
        mine.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    };
    text.lines().filter_map(value).sum()
}

/// The moments at which a process logged this, seconds since 1970 (with `LAMPLIGHTER_LOG_FORMAT=json`).
pub fn logged(node: &Node, message: &str) -> Vec<f64> {
    let log = node.log();
    let at = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = line["fields"]["message"]
            .as_str()
            .or_else(|| line["message"].as_str())?;
        let time = humantime::parse_rfc3339(line["timestamp"].as_str()?).ok()?;
        let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        (text == message).then_some(since.as_secs_f64())
    };
    log.lines().filter_map(at).collect()
}

/// The jobs of one part of a scenario: those whose input names it as their `phase`.
#[derive(Debug)]
pub struct Phase(Vec<PhaseJob>);

#[derive(Debug)]
struct PhaseJob {
    id: String,
    state: String,
    error: String,
    detail: String,
    attempts: i64,
    /// From its submit to its end, seconds.
    took: f64,
}

impl Phase {
    /// Reads them from the database.
    pub async fn of(sql: &Sql, phase: &str) -> Self {
        // What was stored as input may be no JSON: some scenarios see to that. So the whole row is matched.
        let text = format!(
            "SELECT id, state, coalesce(error::json ->> 'type', ''), coalesce(error::json ->> 'detail', ''), attempt,
                coalesce(completed_at - created_at, 0) / 1000.0
            FROM jobs WHERE metadata::json ->> 'phase' = '{phase}' ORDER BY created_at, id"
        );
        let read = |row: Vec<Option<String>>| {
            let text = |n: usize| row[n].clone().unwrap_or_default();
            PhaseJob {
                id: job_id(&text(0)),
                state: text(1),
                error: text(2),
                detail: text(3),
                attempts: text(4).parse().expect("a number"),
                took: text(5).parse().expect("a number"),
            }
        };
        Self(sql.query(&text).await.into_iter().map(read).collect())
    }

    /// The jobs' ids, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|job| job.id.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many are in this state, for this reason (the error's type; none: empty).
    pub fn count(&self, state: &str, error: &str) -> usize {
        self.0
            .iter()
            .filter(|job| job.state == state && job.error == error)
            .count()
    }

    /// The most runs that a job had.
    pub fn most_attempts(&self) -> i64 {
        self.0.iter().map(|job| job.attempts).max().unwrap_or_default()
    }

    /// What their errors say, each text once.
    pub fn details(&self) -> BTreeSet<&str> {
        self.0.iter().map(|job| job.detail.as_str()).collect()
    }

    /// From submit to end, the time that 99 of 100 keep; seconds.
    pub fn p99(&self) -> f64 {
        let mut took: Vec<f64> = self.0.iter().map(|job| job.took).collect();
        took.sort_by(f64::total_cmp);
        let place = (took.len() * 99 / 100).min(took.len().saturating_sub(1));
        took.get(place).copied().unwrap_or_default()
    }
}
