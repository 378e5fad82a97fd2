//! `lamplighter workers` and `lamplighter queues`: the fleet, for administrators.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    ClientArgs, Failure,
    http::Connection,
    list::{show, text, unreadable, value},
};

/// What to do with workers, and where.
#[derive(Debug, Args)]
pub struct WorkersArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: WorkersCommand,
    /// Where the server is and who asks.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What to do with workers.
#[derive(Debug, Subcommand)]
pub enum WorkersCommand {
    /// List the workers: a table on a terminal, else one JSON object a line
    List {
        /// JSON also on a terminal
        #[arg(long)]
        json: bool,
    },
    /// Have a worker finish what it has and claim no more
    Drain {
        /// Name or id of the worker
        worker: String,
    },
    /// Drain a worker, then take its models out of memory
    Maintenance {
        /// Name or id of the worker
        worker: String,
    },
    /// Have a worker claim jobs again
    Resume {
        /// Name or id of the worker
        worker: String,
    },
}

/// How to show the queues, and where they are.
#[derive(Debug, Args)]
pub struct QueuesArgs {
    /// JSON also on a terminal
    #[arg(long)]
    pub json: bool,
    /// Where the server is and who asks.
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Box<RawValue>>,
}

/// Carries `workers` out.
///
/// # Errors
/// Where the server refuses or can't be reached.
pub async fn workers(args: WorkersArgs) -> Result<(), Failure> {
    let connection = Connection::new(&args.client)?;
    match args.command {
        WorkersCommand::List { json } => {
            let head = ["ID", "NAME", "STATE", "DEVICE", "MEMORY", "JOBS", "MODELS"];
            show(fetch(&connection, "workers").await?, json, head, worker_row)
        }
        WorkersCommand::Drain { worker } => order(&connection, &worker, "drain").await,
        WorkersCommand::Maintenance { worker } => order(&connection, &worker, "maintenance").await,
        WorkersCommand::Resume { worker } => order(&connection, &worker, "resume").await,
    }
}

/// Carries `queues` out.
///
/// # Errors
/// Where the server refuses or can't be reached.
pub async fn queues(args: QueuesArgs) -> Result<(), Failure> {
    let connection = Connection::new(&args.client)?;
    let head = ["MODEL", "WAITING", "OLDEST", "RUNNING", "RATE", "WORKERS"];
    show(fetch(&connection, "queues").await?, args.json, head, queue_row)
}

async fn fetch(connection: &Connection, what: &str) -> Result<Vec<Box<RawValue>>, Failure> {
    let request = connection.request(Method::GET, &["v1", what], &[])?;
    let text = connection.text(request).await?;
    let list: List = serde_json::from_str(&text).map_err(unreadable)?;
    Ok(list.data)
}

/// Gives an order to the worker with this id, or to the one of this name that was started last; prints it.
async fn order(connection: &Connection, worker: &str, order: &str) -> Result<(), Failure> {
    let id = if worker.starts_with("worker_") {
        worker.to_owned()
    } else {
        newest(&fetch(connection, "workers").await?, worker)?
    };
    let request = connection.request(Method::POST, &["v1", "workers", &id, order], &[])?;
    let text = connection.text(request).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    Ok(out.flush()?)
}

fn newest(workers: &[Box<RawValue>], name: &str) -> Result<String, Failure> {
    let parsed: Result<Vec<Value>, Failure> = workers.iter().map(|worker| value(worker)).collect();
    let ids = parsed?;
    // Ids sort by the time of the start.
    ids.iter()
        .filter(|worker| worker["name"] == name)
        .filter_map(|worker| worker["id"].as_str())
        .max()
        .map(str::to_owned)
        .ok_or_else(|| Failure::Failed(format!("there is no worker {name:?}")))
}

fn worker_row(worker: &Value) -> [String; 7] {
    let mib = |bytes: &Value| bytes.as_u64().unwrap_or(0) >> 20;
    let model = |model: &Value| format!("{}:{}", text(&model["id"]), text(&model["status"]));
    let models: Vec<String> = worker["models"]
        .as_array()
        .into_iter()
        .flatten()
        .map(model)
        .collect();
    let memory = &worker["memory"];
    [
        text(&worker["id"]),
        text(&worker["name"]),
        text(&worker["state"]),
        text(&worker["device"]),
        format!(
            "{}/{} MiB",
            mib(&memory["used_bytes"]),
            mib(&memory["budget_bytes"])
        ),
        text(&worker["in_flight"]),
        models.join(" "),
    ]
}

fn queue_row(queue: &Value) -> [String; 6] {
    let number = |value: &Value, unit: &str| {
        value
            .as_f64()
            .map_or("-".to_owned(), |number| format!("{number:.1}{unit}"))
    };
    [
        text(&queue["model"]),
        text(&queue["depth"]),
        number(&queue["oldest_seconds"], " s"),
        text(&queue["in_flight"]),
        number(&queue["service_rate"], "/s"),
        text(&queue["workers"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::double::{Double, Reply};

    const WORKERS: &str = r#"{"data":[
        {"id":"worker_1","name":"a","state":"lost","in_flight":2},
        {"id":"worker_2","name":"a","state":"active","device":"cpu","in_flight":0,
         "memory":{"budget_bytes":3145728,"used_bytes":1048576},"models":[{"id":"m","status":"ready"}]},
        {"id":"worker_3","name":"b","state":"active"}]}"#;

    #[tokio::test]
    async fn an_order_goes_to_the_newest_of_a_name_or_to_an_id() {
        let double = Double::start(vec![
            Reply::status(200, WORKERS),
            Reply::status(200, r#"{"id":"worker_2"}"#),
            Reply::status(200, r#"{"id":"worker_1"}"#),
            Reply::status(200, WORKERS),
        ]);
        let connection = double.connection();
        order(&connection, "a", "drain").await.expect("taken");
        order(&connection, "worker_1", "resume").await.expect("taken");
        let failure = order(&connection, "c", "drain").await.expect_err("nobody");
        assert_eq!(failure.to_string(), "there is no worker \"c\"");
        let lines: Vec<_> = double.requests().into_iter().map(|r| r.line).collect();
        assert_eq!(
            lines,
            [
                "GET /v1/workers HTTP/1.1",
                "POST /v1/workers/worker_2/drain HTTP/1.1",
                "POST /v1/workers/worker_1/resume HTTP/1.1",
                "GET /v1/workers HTTP/1.1",
            ]
        );
    }

    #[test]
    fn rows_say_what_people_ask() {
        let list: List = serde_json::from_str(WORKERS).expect("a list");
        let row = worker_row(&value(&list.data[1]).expect("a worker"));
        assert_eq!(row, ["worker_2", "a", "active", "cpu", "1/3 MiB", "0", "m:ready"]);
        let queue =
            serde_json::json!({"model": "m", "depth": 3, "in_flight": 1, "service_rate": 2.25, "workers": 1});
        assert_eq!(queue_row(&queue), ["m", "3", "-", "1", "2.2/s", "1"]);
    }
}
