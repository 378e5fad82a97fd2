//! `lamplighter tokens`: your API tokens, over HTTP.
//!
//! Who asks is an API token, as with every client command: one with the scope `tokens:write` makes and ends tokens
//! that may do no more than it, one with `account:read` sees them. Nobody logs in here: what people do with their
//! password they do in a browser.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use clap::{Args, Subcommand};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::{
    ClientArgs, Failure,
    http::Connection,
    list::{self, text, unreadable},
    render::{aligned, moment},
    token_facts::{days, facts, row},
};

/// What to do, and where.
#[derive(Debug, Args)]
pub struct TokensArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokensCommand,
    /// Where the server is and who asks.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// List your tokens, newest first: a table on a terminal, else one JSON object a line
    List {
        /// The most tokens to list
        #[arg(long, default_value_t = 100)]
        limit: u64,
        /// JSON also on a terminal
        #[arg(long)]
        json: bool,
    },
    /// Make a token and print its text, this once
    #[command(after_help = "Examples:
  lamplighter tokens create nightly --scopes jobs:write,jobs:read
  lamplighter tokens create ci --scopes jobs:write --models minilm --expires-in 90d > ci.token")]
    Create(CreateArgs),
    /// Show a token, and what was used with it: for people on a terminal, else as JSON
    Show {
        /// Id of the token (`tok_…`; not its text)
        id: String,
        /// JSON also on a terminal
        #[arg(long)]
        json: bool,
    },
    /// End a token: from now on it is refused; it stays in the list
    Revoke {
        /// Id of the token
        id: String,
    },
    /// Make a token in the place of another one and print its text, this once
    #[command(after_help = "Example, where programs have a day to take the new one:
  lamplighter tokens rotate tok_01ke1c2v7h8q9r0s1t2v3w4x5y --overlap 1d > new.token")]
    Rotate(RotateArgs),
    /// End a token and take it off the list
    Delete {
        /// Id of the token
        id: String,
    },
}

/// The token to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What to call it
    pub name: String,
    /// What it may do, separated by commas: jobs:write, jobs:read, models:read, account:read, tokens:write, admin
    #[arg(long, value_delimiter = ',', required = true)]
    pub scopes: Vec<String>,
    /// The models it may use, separated by commas [default: all that you may use]
    #[arg(long, value_delimiter = ',')]
    pub models: Vec<String>,
    /// How long it is good, 10m to 366d [default: 30d]
    #[arg(long, value_name = "DURATION")]
    pub expires_in: Option<humantime::Duration>,
    /// Print the whole answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// The token to make in the place of another one.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Id of the token
    pub id: String,
    /// How long the old token goes on, at most 7d [default: not at all]
    #[arg(long, value_name = "DURATION")]
    pub overlap: Option<humantime::Duration>,
    /// How long the new one is good, 10m to 366d [default: as long as the old one was]
    #[arg(long, value_name = "DURATION")]
    pub expires_in: Option<humantime::Duration>,
    /// Print the whole answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Carries the command out.
///
/// # Errors
/// Where the server refuses or can't be reached.
pub async fn run(args: TokensArgs) -> Result<(), Failure> {
    let connection = Connection::new(&args.client)?;
    match args.command {
        TokensCommand::List { limit, json } => {
            let tokens = list::fetch(&connection, &["v1", "tokens"], &[], limit).await?;
            let head = ["ID", "NAME", "STATUS", "SCOPES", "EXPIRES", "LAST USED"];
            list::show(tokens, json, head, row)
        }
        TokensCommand::Create(args) => {
            let request = connection.request(Method::POST, &["v1", "tokens"], &[])?;
            made(&connection, request.json(&create_body(&args)), args.json).await
        }
        TokensCommand::Show { id, json } => show(&connection, &id, json).await,
        TokensCommand::Revoke { id } => {
            let path = ["v1", "tokens", &id, "revoke"];
            end(&connection, (Method::POST, &path), "revoked", &id).await
        }
        TokensCommand::Rotate(args) => {
            let path = ["v1", "tokens", &args.id, "rotate"];
            let request = connection.request(Method::POST, &path, &[])?;
            made(&connection, request.json(&rotate_body(&args)), args.json).await
        }
        TokensCommand::Delete { id } => {
            let path = ["v1", "tokens", &id];
            end(&connection, (Method::DELETE, &path), "deleted", &id).await
        }
    }
}

fn create_body(args: &CreateArgs) -> Value {
    let mut body = json!({"name": args.name, "scopes": args.scopes});
    if !args.models.is_empty() {
        body["models"] = json!(args.models);
    }
    if let Some(life) = args.expires_in {
        body["expires_in_seconds"] = seconds(life);
    }
    body
}

fn rotate_body(args: &RotateArgs) -> Value {
    let wanted = [
        ("overlap_seconds", args.overlap),
        ("expires_in_seconds", args.expires_in),
    ];
    let given = wanted
        .into_iter()
        .filter_map(|(name, duration)| Some((name.to_owned(), seconds(duration?))));
    Value::Object(given.collect::<Map<_, _>>())
}

fn seconds(duration: humantime::Duration) -> Value {
    Duration::from(duration).as_secs().into()
}

/// Prints the token that a request makes: its text, so that it can be piped, and what people should know beside.
async fn made(connection: &Connection, request: RequestBuilder, json: bool) -> Result<(), Failure> {
    let answer = connection.text(request).await?;
    let token: Value = serde_json::from_str(&answer).map_err(unreadable)?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", answer.trim_end())?;
    } else {
        writeln!(out, "{}", text(&token["token"]))?;
        eprintln!(
            "{} is good until {} UTC; its text is shown only this once",
            text(&token["id"]),
            moment(&text(&token["expires_at"]))
        );
    }
    Ok(out.flush()?)
}

async fn end(
    connection: &Connection,
    (method, path): (Method, &[&str]),
    done: &str,
    id: &str,
) -> Result<(), Failure> {
    connection.send(connection.request(method, path, &[])?).await?;
    eprintln!("{done} {id}");
    Ok(())
}

async fn show(connection: &Connection, id: &str, json: bool) -> Result<(), Failure> {
    let request = connection.request(Method::GET, &["v1", "tokens", id], &[])?;
    let answer = connection.text(request).await?;
    let mut out = io::stdout().lock();
    if json || !out.is_terminal() {
        writeln!(out, "{}", answer.trim_end())?;
    } else {
        let token: Value = serde_json::from_str(&answer).map_err(unreadable)?;
        aligned(&mut out, &facts(&token))?;
        aligned(&mut out, &days(&token["usage"]["data"]))?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::double::{Double, Reply};

    #[tokio::test]
    async fn what_is_not_given_is_not_sent() {
        let double = Double::start(vec![
            Reply::status(201, r#"{"id":"tok_2","token":"lmp_x"}"#),
            Reply::status(204, ""),
        ]);
        let connection = double.connection();
        let args = RotateArgs {
            id: "tok_1".to_owned(),
            overlap: Some(Duration::from_secs(3600).into()),
            expires_in: None,
            json: true,
        };
        let request = connection
            .request(Method::POST, &["v1", "tokens", &args.id, "rotate"], &[])
            .expect("an address");
        made(&connection, request.json(&rotate_body(&args)), args.json)
            .await
            .expect("made");
        end(
            &connection,
            (Method::DELETE, &["v1", "tokens", "../a"]),
            "deleted",
            "../a",
        )
        .await
        .expect("deleted");
        let requests = double.requests();
        assert_eq!(requests[0].line, "POST /v1/tokens/tok_1/rotate HTTP/1.1");
        assert_eq!(requests[0].body, r#"{"overlap_seconds":3600}"#);
        assert_eq!(requests[1].line, "DELETE /v1/tokens/..%2Fa HTTP/1.1");
        let create = CreateArgs {
            name: "a".to_owned(),
            scopes: vec!["jobs:read".to_owned()],
            models: Vec::new(),
            expires_in: None,
            json: false,
        };
        assert_eq!(
            create_body(&create),
            json!({"name": "a", "scopes": ["jobs:read"]})
        );
    }
}
