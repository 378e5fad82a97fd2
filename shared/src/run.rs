//! One run of a job, from its claim to its end, and how a row keeps all of them. No I/O here.
//!
//! A row keeps a text that only grows: what moves the row appends a line, and reads nothing. Lines of a beginning are
//! `[number,time,"worker"]`, those of an end `[number,"outcome",batch,time]`. Not here: the statements that append.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;

/// The most runs that are told of; of those before, nothing is known any more.
pub const MOST: usize = 20;

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Counted from 1 with each claim: the fence, and the run in the ids of events.
    pub number: i64,
    /// The worker's name.
    pub worker: String,
    /// When it was claimed.
    pub started_at: UnixMillis,
    /// How it ended; none while it goes on, or where a program from before runs were written down ended it.
    pub end: Option<RunEnd>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// When; of one that was lost: when that was noticed.
    pub at: UnixMillis,
    /// How.
    pub outcome: RunOutcome,
    /// Jobs in its batch, where it came to one.
    pub batch_size: Option<u32>,
}

/// How a run ended. What became of the job stands in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// With an output.
    Succeeded,
    /// With an error.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// Because its owner asked.
    Canceled,
    /// The model's process died under it.
    Crashed,
    /// Its worker was not heard of any more.
    Lost,
    /// Its worker gave it back; it does not count.
    HandedBack,
}

/// A line of the text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    End(i64, RunOutcome, Option<u32>, UnixMillis),
    Begin(i64, UnixMillis, String),
}

/// All runs of a job, as its row keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(String);

impl From<String> for Runs {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Runs {
    /// The last [`MOST`] runs, oldest first.
    pub fn list(&self) -> Vec<Run> {
        let mut runs = Vec::<Run>::new();
        for line in self.0.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Begin(number, started_at, worker)) => runs.push(Run {
                    number,
                    worker,
                    started_at,
                    end: None,
                }),
                Ok(Line::End(number, outcome, batch_size, at)) => {
                    // One whose beginning an older program did not write down has no place to stand.
                    if let Some(run) = runs.last_mut().filter(|run| run.number == number) {
                        run.end = Some(RunEnd {
                            at,
                            outcome,
                            batch_size,
                        });
                    }
                }
                // Half of a line, where the text was cut; or what only a newer program knows.
                Err(_) => {}
            }
        }
        runs.split_off(runs.len().saturating_sub(MOST))
    }
}

/// What stands in the line of a beginning after `[number,time` and before `]`.
pub(crate) fn begin(worker: &str) -> String {
    format!(",{}", serde_json::Value::from(worker))
}

/// What stands in the line of an end after `[number` and before `time]`.
pub(crate) fn end(outcome: RunOutcome, batch_size: Option<u32>) -> Result<String, serde_json::Error> {
    let (outcome, batch_size) = (
        serde_json::to_string(&outcome)?,
        serde_json::to_string(&batch_size)?,
    );
    Ok(format!(",{outcome},{batch_size},"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(number: i64, worker: &str) -> String {
        format!("[{number},{}{}]\n", number * 10, begin(worker))
    }

    fn ended(number: i64, outcome: RunOutcome, batch_size: Option<u32>) -> String {
        let end = end(outcome, batch_size).expect("names and numbers are JSON");
        format!("[{number}{end}{}]\n", number * 10 + 5)
    }

    fn run(number: i64, worker: &str, end: Option<(RunOutcome, Option<u32>)>) -> Run {
        Run {
            number,
            worker: worker.to_owned(),
            started_at: number * 10,
            end: end.map(|(outcome, batch_size)| RunEnd {
                at: number * 10 + 5,
                outcome,
                batch_size,
            }),
        }
    }

    #[test]
    fn what_was_appended_is_read() {
        let odd = "a\n[2,3,\"b\"]\n\"\\ 漢\u{2028}";
        let text = begun(1, odd)
            + &ended(1, RunOutcome::HandedBack, None)
            + &begun(2, "b")
            + &ended(2, RunOutcome::Succeeded, Some(4));
        assert_eq!(
            Runs(text).list(),
            [
                run(1, odd, Some((RunOutcome::HandedBack, None))),
                run(2, "b", Some((RunOutcome::Succeeded, Some(4)))),
            ]
        );
        assert_eq!(Runs::default().list(), []);
    }

    #[test]
    fn what_older_and_newer_programs_leave_is_no_matter() {
        // The first run was claimed by a program that writes nothing, the second was ended by one.
        let text = ended(1, RunOutcome::Lost, None)
            + &begun(2, "a")
            + &begun(3, "b")
            + "[3,\"evaporated\",null,35]\n[\"what\"]\n";
        assert_eq!(Runs(text).list(), [run(2, "a", None), run(3, "b", None)]);
    }

    #[test]
    fn a_text_that_was_cut_anywhere_loses_the_oldest_only() {
        let text = begun(1, "a[1,5,\"x\"]")
            + &ended(1, RunOutcome::Crashed, Some(1))
            + &begun(2, "b")
            + &ended(2, RunOutcome::Failed, None);
        for cut in 0..text.len() {
            let left = Runs(text[cut..].to_owned()).list();
            assert!(
                left.iter().all(|run| run.worker == "b" || cut == 0),
                "{cut}: {left:?}"
            );
        }
    }

    #[test]
    fn only_the_last_are_told_of() {
        let text: String = (1..=50).map(|number| begun(number, "a")).collect();
        let numbers: Vec<_> = Runs(text).list().iter().map(|run| run.number).collect();
        assert_eq!(numbers, (31..=50).collect::<Vec<_>>());
    }
}
