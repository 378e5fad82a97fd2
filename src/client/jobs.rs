//! `lamplighter jobs`: list, show, cancel, retry and follow jobs.

use std::io::{self, IsTerminal, Write};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    ClientArgs, Failure,
    http::Connection,
    job::Job,
    list, render,
    stream::{Patience, Watch},
};

/// What to do, and where.
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: JobsCommand,
    /// Where the server is and who asks.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List your jobs, newest first: a table on a terminal, else one JSON object a line
    List(ListArgs),
    /// Print a job as JSON
    Show {
        /// Id of the job
        id: String,
    },
    /// Ask to cancel a job and print it
    Cancel {
        /// Id of the job
        id: String,
    },
    /// Submit a job's stored input again and print the new job
    Retry {
        /// Id of the job
        id: String,
    },
    /// Print a job's events to its end, one JSON object a line
    Events {
        /// Id of the job
        id: String,
        /// Start after this event (`1-42`)
        #[arg(long, value_name = "EVENT")]
        after: Option<String>,
    },
}

/// Which jobs to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only jobs in this state (queued, processing, succeeded, failed, canceled, expired)
    #[arg(long)]
    pub status: Option<String>,
    /// Only jobs of this model
    #[arg(long)]
    pub model: Option<String>,
    /// Only jobs of this task
    #[arg(long)]
    pub task: Option<String>,
    /// The most jobs to list
    #[arg(long, default_value_t = 20)]
    pub limit: u64,
    /// JSON also on a terminal
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct EventLine<'a> {
    event: &'a str,
    id: &'a str,
    data: &'a RawValue,
}

/// Carries the command out.
///
/// # Errors
/// Where the server refuses or can't be reached.
pub async fn run(args: JobsArgs) -> Result<(), Failure> {
    let connection = Connection::new(&args.client)?;
    match args.command {
        JobsCommand::List(args) => print_list(&connection, &args).await,
        JobsCommand::Show { id } => print(&connection, Method::GET, &["v1", "jobs", &id]).await,
        JobsCommand::Cancel { id } => print(&connection, Method::POST, &["v1", "jobs", &id, "cancel"]).await,
        JobsCommand::Retry { id } => print(&connection, Method::POST, &["v1", "jobs", &id, "retry"]).await,
        JobsCommand::Events { id, after } => events(&connection, &id, after.as_deref()).await,
    }
}

async fn print_list(connection: &Connection, args: &ListArgs) -> Result<(), Failure> {
    let jobs = fetch(connection, args).await?;
    let mut out = io::stdout().lock();
    if out.is_terminal() && !args.json {
        render::table(&mut out, &jobs)?;
    } else {
        for job in jobs {
            writeln!(out, "{}", job.text)?;
        }
    }
    Ok(out.flush()?)
}

async fn fetch(connection: &Connection, args: &ListArgs) -> Result<Vec<Job>, Failure> {
    let wanted = [
        ("status", &args.status),
        ("model", &args.model),
        ("task", &args.task),
    ];
    let query: Vec<_> = wanted
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?)))
        .collect();
    let jobs = list::fetch(connection, &["v1", "jobs"], &query, args.limit).await?;
    jobs.into_iter()
        .map(|job| Job::parse(job.get().to_owned()))
        .collect()
}

/// Prints the job that a request answers with.
async fn print(connection: &Connection, method: Method, path: &[&str]) -> Result<(), Failure> {
    let text = connection.text(connection.request(method, path, &[])?).await?;
    let job = Job::parse(text)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", job.text)?;
    Ok(out.flush()?)
}

async fn events(connection: &Connection, id: &str, after: Option<&str>) -> Result<(), Failure> {
    let mut watch = Watch::new(connection, id, after, Patience::default());
    loop {
        let event = match watch.next_raw().await? {
            Ok(event) => event,
            Err(how) => {
                eprintln!("trying again: {}", how.lines().next().unwrap_or_default());
                continue;
            }
        };
        let data: Box<RawValue> = serde_json::from_str(&event.data)
            .map_err(|e| Failure::Failed(format!("an event of the server can't be read: {e}")))?;
        let line = EventLine {
            event: &event.name,
            id: &event.id,
            data: &data,
        };
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{}",
            serde_json::to_string(&line).expect("text and checked JSON are JSON")
        )?;
        out.flush()?;
        if event.name == "done" {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::double::{Double, Reply};

    #[tokio::test]
    async fn a_list_follows_the_cursor_and_stops_at_its_limit() {
        let double = Double::start(vec![
            Reply::status(
                200,
                r#"{"data":[{"id":"job_3","status":"queued"},{"id":"job_2","status":"queued"}],"next_cursor":"c&1"}"#,
            ),
            Reply::status(
                200,
                r#"{"data":[{"id":"job_1","status":"queued"}],"next_cursor":null}"#,
            ),
        ]);
        let args = ListArgs {
            status: Some("queued".to_owned()),
            model: None,
            task: Some("echo".to_owned()),
            limit: 101,
            json: false,
        };
        let jobs = fetch(&double.connection(), &args)
            .await
            .expect("both pages are lists");
        assert_eq!(
            jobs.iter().map(|j| j.view.id.as_str()).collect::<Vec<_>>(),
            ["job_3", "job_2", "job_1"]
        );
        let lines: Vec<_> = double.requests().into_iter().map(|r| r.line).collect();
        assert_eq!(
            lines,
            [
                "GET /v1/jobs?limit=100&status=queued&task=echo HTTP/1.1",
                "GET /v1/jobs?limit=99&status=queued&task=echo&cursor=c%261 HTTP/1.1"
            ]
        );
    }

    #[tokio::test]
    async fn an_id_can_only_be_one_segment_of_the_path() {
        let double = Double::start(vec![Reply::status(404, r#"{"code":"not_found","detail":"x"}"#)]);
        let failure = print(&double.connection(), Method::GET, &["v1", "jobs", "../a?b"])
            .await
            .expect_err("404");
        assert_eq!(failure.to_string(), "not_found: x");
        assert_eq!(double.requests()[0].line, "GET /v1/jobs/..%2Fa%3Fb HTTP/1.1");
    }
}
