//! `lamplighter run`: submit a job, show how it goes, print its output.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    ClientArgs, Failure,
    http::{CallError, Connection},
    input::{self, Input},
    job::Job,
    plain,
    render::Line,
    retry,
    stream::{Patience, Update, Watch},
};

/// What to run, and how to tell of it.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Id of the model (GET /v1/models lists them)
    pub model: String,
    /// The input: a JSON object is used as it is, a picture or a recording becomes a data URL, anything else is a
    /// text (the message of a chat, the prompt of text generation, the text of an embedding); - reads standard
    /// input, @FILE a file (texts without their last line break)
    #[arg(allow_hyphen_values = true)]
    pub input: String,
    /// Print pieces of output as they come, each one line of JSON; the last line is the whole output
    #[arg(long)]
    pub follow: bool,
    /// Print the whole job instead of its output, also when it did not succeed
    #[arg(long)]
    pub json: bool,
    /// Seconds the run may take
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Seconds the job may wait to be started
    #[arg(long, value_name = "SECONDS")]
    pub start_timeout: Option<u64>,
    /// Which of the model's tasks (GET /v1/models/ID lists them); without it the first
    #[arg(long)]
    pub task: Option<String>,
    /// Which of your own jobs this one overtakes
    #[arg(long)]
    pub priority: Option<Priority>,
    /// Where the server is and who asks.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Priorities of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After the others
    Low,
    /// In turn
    Normal,
    /// Before the others
    High,
}

#[derive(Serialize)]
struct NewJob<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<Timeout>,
}

#[derive(Serialize)]
struct Timeout {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_seconds: Option<u64>,
}

/// Carries the command out.
///
/// # Errors
/// Where the job did not succeed, whatever the reason.
pub async fn run(args: RunArgs) -> Result<(), Failure> {
    let connection = Connection::new(&args.client)?;
    let input = match input::read(&args.input)? {
        Input::Whole(input) => input,
        Input::Text(text) => {
            let (model, task) = (&args.model, args.task.as_deref());
            plain::input(&connection, model, task, &text, Patience::default()).await?
        }
    };
    let body = body(&args, input);
    // One listener for the whole command: a signal between two looks must not be lost.
    let interrupts = signal(SignalKind::interrupt())
        .map_err(|e| Failure::Failed(format!("can't listen for Ctrl-C: {e}")))?;
    let line = Line::start("submitting");
    let ended = carry_out(&connection, &body, args.follow, &line, interrupts).await;
    line.clear();
    let job = ended?;
    let mut out = io::stdout().lock();
    let outcome = job.outcome();
    if args.json {
        writeln!(out, "{}", job.text)?;
    } else if let Ok(output) = &outcome {
        writeln!(out, "{output}")?;
    }
    out.flush()?;
    outcome.map(drop)
}

/// Submits the job and follows it to its end.
async fn carry_out(
    connection: &Connection,
    body: &str,
    follow: bool,
    line: &Line,
    mut interrupts: Signal,
) -> Result<Job, Failure> {
    let job = tokio::select! {
        job = submit(connection, body, Patience::default()) => job?,
        _ = interrupts.recv() => {
            return Err(Failure::Failed("interrupted while the job was being submitted".to_owned()));
        }
    };
    line.job(&job.view);
    let id = &job.view.id;
    let mut watch = Watch::new(connection, id, None, Patience::default());
    let mut canceling = false;
    loop {
        let update = tokio::select! {
            update = watch.next() => update?,
            _ = interrupts.recv() => {
                if canceling {
                    return Err(Failure::Failed(format!("{id} was left behind before it had ended")));
                }
                canceling = true;
                line.say("canceling; Ctrl-C again leaves at once");
                cancel(connection, id).await?;
                continue;
            }
        };
        match update {
            Update::Done(job) => return Ok(job),
            Update::Status(_) | Update::Progress(_) if canceling => {}
            update => show(update, follow, line)?,
        }
    }
}

/// Shows what happened on the way.
fn show(update: Update, follow: bool, line: &Line) -> Result<(), Failure> {
    match update {
        Update::Status(job) | Update::Done(job) => line.job(&job.view),
        Update::Progress(progress) => line.progress(&progress),
        Update::Output(chunk) if follow => line.aside(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{chunk}")?;
            out.flush()
        })?,
        Update::Reset if follow => {
            line.aside(|| eprintln!("the run starts again: what was printed so far is void"))
        }
        Update::Gap if follow => {
            line.aside(|| eprintln!("some pieces are no longer kept: the last line has all"))
        }
        Update::Lost(how) => line.say(&format!(
            "trying again: {}",
            how.lines().next().unwrap_or_default()
        )),
        Update::Output(_) | Update::Reset | Update::Gap => {}
    }
    Ok(())
}

fn body(args: &RunArgs, input: Box<RawValue>) -> String {
    let (start_seconds, run_seconds) = (args.start_timeout, args.timeout);
    let timeout = (start_seconds.is_some() || run_seconds.is_some()).then_some(Timeout {
        start_seconds,
        run_seconds,
    });
    let job = NewJob {
        model: &args.model,
        task: args.task.as_deref(),
        input,
        priority: args.priority,
        timeout,
    };
    serde_json::to_string(&job).expect("text, numbers and checked JSON are JSON")
}

/// Submits under a key of its own, so that a lost answer can be asked for again.
async fn submit(connection: &Connection, body: &str, patience: Patience) -> Result<Job, Failure> {
    let key = uuid::Uuid::now_v7().to_string();
    let answer = retry::persist(patience, async || {
        let request = connection
            .request(Method::POST, &["v1", "jobs"], &[])?
            .header("content-type", "application/json")
            .header("idempotency-key", format!("\"{key}\""))
            .body(body.to_owned());
        connection.text(request).await
    });
    Job::parse(answer.await?)
}

/// Asks to cancel; a job that has ended meanwhile is fine, the stream will say so.
async fn cancel(connection: &Connection, id: &str) -> Result<(), Failure> {
    let request = connection.request(Method::POST, &["v1", "jobs", id, "cancel"], &[])?;
    match connection.text(request).await {
        Ok(_) => Ok(()),
        Err(CallError::Refused(refusal)) if refusal.status == reqwest::StatusCode::CONFLICT => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::double::{Double, Reply};

    const PATIENCE: Patience = Patience {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(1),
        total: Duration::from_millis(10),
    };

    #[tokio::test]
    async fn a_lost_answer_is_asked_for_again_under_the_same_key() {
        let double = Double::start(vec![
            Reply::cut_off(),
            Reply::status(503, ""),
            Reply::status(409, r#"{"code":"idempotency_in_flight","detail":"wait"}"#),
            Reply::status(202, r#"{"id":"job_1","status":"queued"}"#),
        ]);
        let job = submit(&double.connection(), r#"{"model":"echo"}"#, PATIENCE)
            .await
            .expect("it is accepted");
        assert_eq!(job.view.id, "job_1");
        let requests = double.requests();
        assert_eq!(requests.len(), 4);
        let key = requests[0].header("idempotency-key").expect("it has a key");
        assert!(
            requests
                .iter()
                .all(|r| r.header("idempotency-key").as_ref() == Some(&key))
        );
        assert!(
            requests
                .iter()
                .all(|r| r.line.starts_with("POST /v1/jobs ") && r.body == r#"{"model":"echo"}"#)
        );
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_pointers_and_not_repeated() {
        let problem = r#"{"code":"validation_failed","detail":"no","errors":[{"pointer":"/input/text","detail":"empty"}]}"#;
        let double = Double::start(vec![Reply::status(422, problem)]);
        let failure = submit(&double.connection(), "{}", PATIENCE)
            .await
            .expect_err("it is refused");
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(failure.to_string(), "validation_failed: no\n  /input/text: empty");
    }

    #[tokio::test]
    async fn a_model_that_is_switched_off_is_told_at_once() {
        let problem = r#"{"code":"model_unavailable","detail":"The model is switched off."}"#;
        let double = Double::start(vec![Reply::status(503, problem), Reply::status(503, problem)]);
        let failure = submit(&double.connection(), "{}", PATIENCE)
            .await
            .expect_err("it is refused");
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(
            failure.to_string(),
            "model_unavailable: The model is switched off."
        );
        assert_eq!(double.requests().len(), 1, "nobody asks again");
    }

    #[tokio::test]
    async fn nobody_there_is_told_at_once() {
        let double = Double::start(Vec::new());
        let connection = double.connection();
        let failure = submit(&connection, "{}", PATIENCE)
            .await
            .expect_err("nobody is there");
        assert_eq!(failure.exit_code(), 3);
    }
}
