//! A ledger that the database itself keeps: every claim and every change of a job's state, in order, by its
//! own clock. What clients see may hide a second end; this can't.

use std::collections::{BTreeMap, BTreeSet};

use lamplighter_testkit::{checker::job_id, postgres::Sql};

/// The claims carry the new run's epoch and boot, the ends those of the run that was ended.
const KEEP: &str = "
    CREATE TABLE ledger (n bigserial PRIMARY KEY, job uuid, epoch bigint, was text, became text, boot uuid, worker text,
        txn bigint DEFAULT txid_current(), at double precision DEFAULT extract(epoch FROM clock_timestamp()));
    CREATE FUNCTION keep_ledger() RETURNS trigger LANGUAGE plpgsql AS '
        BEGIN INSERT INTO ledger (job, epoch, was, became, boot, worker) VALUES (NEW.id, NEW.epoch, OLD.state, NEW.state,
            coalesce(NEW.boot, OLD.boot), NEW.worker); RETURN NULL; END';
    CREATE TRIGGER keep_ledger AFTER UPDATE ON jobs FOR EACH ROW
        WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.epoch <> NEW.epoch) EXECUTE FUNCTION keep_ledger()";

/// Starts the ledger.
pub async fn keep(sql: &Sql) {
    sql.query(KEEP).await;
}

/// One change of a job's row.
#[derive(Debug, Clone)]
pub struct Change {
    /// The job's public id.
    pub job: String,
    /// The run: the new one of a claim, else the last.
    pub epoch: i64,
    /// The state before.
    pub was: String,
    /// The state after.
    pub became: String,
    /// The start of the worker whose run it is; empty where there is none.
    pub boot: String,
    /// The worker of the last run.
    pub worker: String,
    /// The transaction.
    pub txn: i64,
    /// When, seconds since 1970 by the database's clock.
    pub at: f64,
}

impl Change {
    /// A run began.
    pub fn is_claim(&self) -> bool {
        self.became == "processing"
    }

    /// The job ended.
    pub fn is_end(&self) -> bool {
        is_terminal(&self.became)
    }
}

/// All that was written so far.
pub struct Ledger(pub Vec<Change>);

impl Ledger {
    /// Reads it.
    pub async fn read(sql: &Sql) -> Self {
        let rows = sql
            .query("SELECT job, epoch, was, became, boot, worker, txn, at FROM ledger ORDER BY n")
            .await;
        let read = |row: Vec<Option<String>>| {
            let text = |n: usize| row[n].clone().unwrap_or_default();
            Change {
                job: job_id(&text(0)),
                epoch: text(1).parse().expect("an epoch"),
                was: text(2),
                became: text(3),
                boot: text(4),
                worker: text(5),
                txn: text(6).parse().expect("a transaction"),
                at: text(7).parse().expect("a time"),
            }
        };
        Self(rows.into_iter().map(read).collect())
    }

    /// The claims, in order.
    pub fn claims(&self) -> impl Iterator<Item = &Change> {
        self.0.iter().filter(|change| change.is_claim())
    }

    /// The changes of one job, in order.
    pub fn of<'a>(&'a self, job: &'a str) -> impl Iterator<Item = &'a Change> {
        self.0.iter().filter(move |change| change.job == job)
    }

    /// The last run of a job that has ended: how long from its claim to its end, seconds.
    pub fn last_run(&self, job: &str) -> Option<f64> {
        let end = self.of(job).find(|change| change.is_end())?;
        let claim = self.of(job).filter(|change| change.is_claim()).last()?;
        Some(end.at - claim.at)
    }

    /// Jobs that ended more than once or changed after their end, and epochs that did not begin once each.
    pub fn faults(&self) -> Vec<String> {
        let mut ends = BTreeMap::<&str, usize>::new();
        let mut epochs = BTreeSet::new();
        let mut faults = Vec::new();
        for change in &self.0 {
            if is_terminal(&change.was) {
                faults.push(format!("changed after its end: {change:?}"));
            }
            if change.is_claim() && (change.was != "queued" || !epochs.insert((&change.job, change.epoch))) {
                faults.push(format!("a claim of what was held: {change:?}"));
            }
            *ends.entry(&change.job).or_default() += usize::from(change.is_end());
        }
        let twice = ends.into_iter().filter(|(_, times)| *times > 1);
        faults.extend(twice.map(|(job, times)| format!("{job} ended {times} times")));
        faults
    }
}

fn is_terminal(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "canceled" | "expired")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(epoch: i64, was: &str, became: &str) -> Change {
        let text = str::to_owned;
        let (was, became) = (text(was), text(became));
        let (job, boot, worker) = (text("j"), text("b"), text("w"));
        Change {
            job,
            epoch,
            was,
            became,
            boot,
            worker,
            txn: 1,
            at: 0.0,
        }
    }

    #[test]
    fn every_kind_of_fault_is_found() {
        let good = vec![
            change(1, "queued", "processing"),
            change(1, "processing", "queued"),
            change(2, "queued", "processing"),
            change(2, "processing", "succeeded"),
        ];
        assert!(Ledger(good.clone()).faults().is_empty());
        for bad in [
            change(2, "succeeded", "queued"),
            change(2, "processing", "failed"),
            change(2, "queued", "processing"),
            change(3, "processing", "processing"),
        ] {
            let all: Vec<Change> = good.iter().cloned().chain([bad]).collect();
            assert!(!Ledger(all.clone()).faults().is_empty(), "{all:?}");
        }
    }
}
