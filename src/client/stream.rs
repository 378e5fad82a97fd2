//! Watching one job to its end, over lost connections and restarts of the server.
//!
//! After each loss the stream is opened again with the id of the last event seen, so no chunk is
//! missed or told twice; between tries it waits longer and longer, and gives up after a while.

use std::{pin::Pin, time::Duration};

use eventsource_stream::{Event, Eventsource};
use futures::{Stream, StreamExt};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    Failure,
    http::{CallError, Connection},
    job::{Job, Progress},
};

/// How long to go on without a server.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// First pause; it doubles from try to try.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
    /// From the last sign of life until we give up.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(3),
            total: Duration::from_secs(120),
        }
    }
}

/// What happened to the job.
#[derive(Debug)]
pub enum Update {
    /// A whole job: the state of affairs.
    Status(Job),
    /// It came further.
    Progress(Progress),
    /// A piece of output, as JSON text.
    Output(String),
    /// A new run began: pieces told so far are void.
    Reset,
    /// Pieces are missing; the whole output is in the finished job.
    Gap,
    /// The job has ended.
    Done(Job),
    /// The connection was lost; the text says how. We try again.
    Lost(String),
}

/// An event as it came, for those who want them all.
#[derive(Debug, Clone)]
pub struct RawEvent {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its data, JSON text.
    pub data: String,
}

type Events = Pin<Box<dyn Stream<Item = Result<Event, String>> + Send>>;

/// A job being watched.
pub struct Watch<'a> {
    connection: &'a Connection,
    job: String,
    patience: Patience,
    /// The last event taken, as the server wrote it.
    last_id: Option<String>,
    /// The same as numbers; (0, 0) before any.
    seen: (i64, u64),
    open: Option<Events>,
    pause: Duration,
    alive: Instant,
}

impl<'a> Watch<'a> {
    /// Watches a job from its beginning, or from after an event.
    pub fn new(connection: &'a Connection, job: &str, after: Option<&str>, patience: Patience) -> Self {
        Self {
            connection,
            job: job.to_owned(),
            patience,
            last_id: after.map(str::to_owned),
            seen: after.and_then(position).unwrap_or_default(),
            open: None,
            pause: patience.first,
            alive: Instant::now(),
        }
    }

    /// The next thing that happened. After [`Update::Done`] there is nothing more to ask for.
    ///
    /// # Errors
    /// Where the server refuses, or was away for too long.
    pub async fn next(&mut self) -> Result<Update, Failure> {
        loop {
            let event = match self.next_raw().await? {
                Ok(event) => event,
                Err(how) => return Ok(Update::Lost(how)),
            };
            if let Some(update) = read(event)? {
                return Ok(update);
            }
        }
    }

    /// The next event as it came, or how the connection was lost (and is tried again at the next call).
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub async fn next_raw(&mut self) -> Result<Result<RawEvent, String>, Failure> {
        loop {
            let Some(events) = &mut self.open else {
                match self.connect().await {
                    Ok(events) => self.open = Some(events),
                    Err(CallError::Busy(refusal)) => {
                        return self
                            .lose(refusal.text, refusal.retry_after.unwrap_or_default())
                            .await
                            .map(Err);
                    }
                    Err(CallError::NotConnected(how) | CallError::Lost(how)) => {
                        return self.lose(how, Duration::ZERO).await.map(Err);
                    }
                    Err(refused) => return Err(refused.into()),
                }
                continue;
            };
            match events.next().await {
                Some(Ok(event)) => {
                    self.alive = Instant::now();
                    self.pause = self.patience.first;
                    if let Some(event) = self.accept(event) {
                        return Ok(Ok(event));
                    }
                }
                Some(Err(how)) => return self.lose(how, Duration::ZERO).await.map(Err),
                None => {
                    return self
                        .lose("the server ended the stream".to_owned(), Duration::ZERO)
                        .await
                        .map(Err);
                }
            }
        }
    }

    async fn connect(&self) -> Result<Events, CallError> {
        let mut request = self
            .connection
            .request(Method::GET, &["v1", "jobs", &self.job, "events"], &[])?;
        request = request.header("accept", "text/event-stream");
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        let response = self.connection.send(request).await?;
        let events = response.bytes_stream().eventsource();
        Ok(Box::pin(events.map(|event| event.map_err(|e| e.to_string()))))
    }

    /// Notes a loss and waits before the next try, `at_least` as long as the server asked.
    async fn lose(&mut self, how: String, at_least: Duration) -> Result<String, Failure> {
        self.open = None;
        let pause = self.pause.max(at_least.min(self.patience.total));
        if self.alive.elapsed() + pause > self.patience.total {
            return Err(Failure::Unreachable(format!(
                "{how}\n{id} goes on without us: `lamplighter jobs show {id}` tells how it ended.",
                id = self.job
            )));
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(self.patience.longest);
        Ok(how)
    }

    /// Drops what was told before: an event that came twice, or of a run that is over.
    fn accept(&mut self, event: Event) -> Option<RawEvent> {
        let numbered = matches!(event.event.as_str(), "progress" | "output");
        if let (true, Some(at)) = (numbered, position(&event.id)) {
            if at <= self.seen {
                return None;
            }
            self.seen = at;
            self.last_id = Some(event.id.clone());
        } else if position(&event.id).is_some_and(|at| at >= self.seen) {
            // Others repeat the last id, which after a reset or a gap may be ahead of ours.
            self.last_id = Some(event.id.clone());
        }
        Some(RawEvent {
            name: event.event,
            id: event.id,
            data: event.data,
        })
    }
}

/// `<epoch>-<seq>` as numbers.
fn position(id: &str) -> Option<(i64, u64)> {
    let (epoch, seq) = id.split_once('-')?;
    Some((epoch.parse().ok()?, seq.parse().ok()?))
}

#[derive(Deserialize)]
struct Output {
    chunk: Box<RawValue>,
}

/// Reads an event; none for a name we do not know, which a newer server may send.
fn read(event: RawEvent) -> Result<Option<Update>, Failure> {
    let unreadable = |e| Failure::Failed(format!("an event of the server can't be read: {e}"));
    Ok(Some(match event.name.as_str() {
        "status" => Update::Status(Job::parse(event.data)?),
        "done" => Update::Done(Job::parse(event.data)?),
        "progress" => Update::Progress(serde_json::from_str(&event.data).map_err(unreadable)?),
        "output" => {
            let output: Output = serde_json::from_str(&event.data).map_err(unreadable)?;
            Update::Output(output.chunk.get().to_owned())
        }
        "reset" => Update::Reset,
        "gap" => Update::Gap,
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::double::{Double, Reply};

    const PATIENCE: Patience = Patience {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
        total: Duration::from_millis(400),
    };

    fn output(id: &str, index: u64) -> String {
        format!("id: {id}\nevent: output\ndata: {{\"index\":{index},\"chunk\":\"c{index}\"}}\n\n")
    }

    const STATUS: &str =
        "retry: 2000\nid: 0-0\nevent: status\ndata: {\"id\":\"job_1\",\"status\":\"processing\"}\n\n";
    const DONE: &str =
        "id: 1-3\nevent: done\ndata: {\"id\":\"job_1\",\"status\":\"succeeded\",\"output\":7}\n\n";

    /// Watches `job_1` to its end: the chunks, the losses and the output.
    async fn watch(double: &Double) -> Result<(Vec<String>, usize, String), Failure> {
        let connection = double.connection();
        let mut watch = Watch::new(&connection, "job_1", None, PATIENCE);
        let (mut chunks, mut losses) = (Vec::new(), 0);
        loop {
            match watch.next().await? {
                Update::Output(chunk) => chunks.push(chunk),
                Update::Lost(_) => losses += 1,
                Update::Reset => chunks.clear(),
                Update::Done(job) => return Ok((chunks, losses, job.outcome()?.to_owned())),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn a_lost_stream_resumes_after_the_last_event_and_tells_nothing_twice() {
        let double = Double::start(vec![
            Reply::events(&[STATUS, &output("1-1", 0)]),
            Reply::cut_off(),
            // A careless server repeats 1-1.
            Reply::events(&[STATUS, &output("1-1", 0), &output("1-2", 1)]),
            Reply::status(503, ""),
            Reply::events(&[STATUS, &output("1-3", 2), DONE]),
        ]);
        let (chunks, losses, out) = watch(&double).await.expect("it ends well");
        assert_eq!(chunks, [r#""c0""#, r#""c1""#, r#""c2""#]);
        assert_eq!((losses, out.as_str()), (4, "7"));
        let resumed: Vec<_> = double
            .requests()
            .iter()
            .map(|r| r.header("last-event-id"))
            .collect();
        let expected = [None, Some("1-1"), Some("1-1"), Some("1-2"), Some("1-2")];
        assert_eq!(resumed, expected.map(|id| id.map(str::to_owned)));
    }

    #[tokio::test]
    async fn a_new_run_voids_the_old_one_and_late_events_of_it_are_dropped() {
        let reset = "id: 1-2\nevent: reset\ndata: {\"epoch\":2}\n\n";
        let double = Double::start(vec![Reply::events(&[
            STATUS,
            &output("1-1", 0),
            &output("1-2", 1),
            reset,
            &output("2-1", 0),
            &output("1-9", 8),
            &output("2-2", 1),
            DONE,
        ])]);
        let (chunks, _, _) = watch(&double).await.expect("it ends well");
        assert_eq!(chunks, [r#""c0""#, r#""c1""#]);
    }

    #[tokio::test]
    async fn a_server_that_stays_away_is_given_up() {
        let double = Double::start(vec![Reply::events(&[STATUS])]);
        let connection = double.connection();
        let mut watch = Watch::new(&connection, "job_1", None, PATIENCE);
        let mut losses = 0;
        let failure = loop {
            match watch.next().await {
                Ok(Update::Lost(_)) => losses += 1,
                Ok(_) => {}
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.exit_code(), 3, "{failure}");
        assert!(losses >= 3, "it tried only {losses} times");
        assert!(failure.to_string().contains("jobs show job_1"), "{failure}");
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let problem = r#"{"status":404,"code":"not_found","detail":"no such job"}"#;
        let double = Double::start(vec![Reply::status(404, problem)]);
        let failure = watch(&double).await.expect_err("it is refused");
        assert_eq!(
            (failure.exit_code(), failure.to_string().as_str()),
            (1, "not_found: no such job")
        );
        assert_eq!(double.requests().len(), 1);
    }
}
