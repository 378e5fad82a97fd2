//! Lamplighter as a client: `run`, `jobs` and `tokens`, and for administrators `workers` and `queues`.
//!
//! It speaks only the public HTTP API, like any other client, and knows nothing of the server's inside.
//! Start with [`run`]; [`stream`] holds what survives lost connections, [`http`] what is sent, [`input`]
//! what a command line's INPUT means, [`plain`] what a text means to a model, [`render`] what people see.

pub mod input;
pub mod plain;
pub mod retry;
pub mod http;
pub mod job;
pub mod stream;
pub mod render;
pub mod run;
pub mod list;
pub mod jobs;
pub mod tokens;
mod token_facts;
pub mod fleet;
#[cfg(test)]
mod double;

use std::{fmt, io, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

/// Where the server is and who asks; the same for every client command.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientArgs {
    /// Address of the server [default: the one in DIR/server.addr, else http://127.0.0.1:8080]
    #[arg(
        long,
        value_name = "URL",
        env = "LAMPLIGHTER_SERVER",
        global = true,
        help_heading = "Connection"
    )]
    pub server: Option<String>,
    /// API token [default: the one in DIR/owner.token, for a server on this machine]
    #[arg(
        long,
        env = "LAMPLIGHTER_TOKEN",
        global = true,
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub token: Option<String>,
    /// Data folder of a server on this machine [default: ./data]
    #[arg(
        long,
        value_name = "DIR",
        env = "LAMPLIGHTER_DATA_DIR",
        global = true,
        help_heading = "Connection"
    )]
    pub data_dir: Option<PathBuf>,
}

/// The commands of the client.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Run a model on an input and print its output.
    ///
    /// Standard output gets the output of the job, one line of JSON, and nothing else; progress goes to
    /// standard error, and only to a terminal. A lost connection is taken up again, even over a restart of
    /// the server.
    ///
    /// Ctrl-C cancels the job and waits for that; a second Ctrl-C leaves at once.
    ///
    /// Exit codes: 0 the job succeeded; 1 it failed, expired, was canceled or refused; 2 the command line is
    /// wrong; 3 the server can't be reached.
    #[command(verbatim_doc_comment)]
    Run(run::RunArgs),
    /// List, show, cancel, retry and follow jobs.
    ///
    /// Exit codes: 0 done; 1 refused (there is no such job, or it has ended); 2 the command line is wrong;
    /// 3 the server can't be reached.
    #[command(verbatim_doc_comment)]
    Jobs(jobs::JobsArgs),
    /// List, make, show, revoke, rotate and delete your API tokens.
    ///
    /// Needs a token with the scope `tokens:write` (to see them, `account:read`); what it makes may do no more than
    /// it and does not outlive it. On the server's machine `lamplighter token create` makes the first one.
    ///
    /// Exit codes: 0 done; 1 refused; 2 the command line is wrong; 3 the server can't be reached.
    #[command(verbatim_doc_comment)]
    Tokens(tokens::TokensArgs),
    /// List workers, drain them, put them into maintenance and resume them (for administrators).
    ///
    /// Exit codes: 0 done; 1 refused; 2 the command line is wrong; 3 the server can't be reached.
    #[command(verbatim_doc_comment)]
    Workers(fleet::WorkersArgs),
    /// Show what waits for each model and how fast it is worked off (for administrators).
    ///
    /// Exit codes: 0 done; 1 refused; 2 the command line is wrong; 3 the server can't be reached.
    #[command(verbatim_doc_comment)]
    Queues(fleet::QueuesArgs),
}

/// Why a client command did not succeed; decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The job failed, or the server refused: exit code 1. The text is for people.
    Failed(String),
    /// The command line makes no sense: exit code 2.
    Usage(String),
    /// No (more) answer from the server: exit code 3.
    Unreachable(String),
    /// Nobody reads our output any more: exit code 1, without a word.
    OutputClosed,
}

impl Failure {
    /// The code the process ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::OutputClosed => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Usage(text) | Self::Unreachable(text) => f.write_str(text),
            Self::OutputClosed => f.write_str("standard output was closed"),
        }
    }
}

impl From<io::Error> for Failure {
    /// Only writes to standard output are told this way.
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("can't write to standard output: {e}")),
        }
    }
}

/// Carries a client command out; the exit code is the documented one.
pub fn main(command: ClientCommand) -> ExitCode {
    // Another part of the program may have installed it: the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("can't start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match command {
            ClientCommand::Run(args) => run::run(args).await,
            ClientCommand::Jobs(args) => jobs::run(args).await,
            ClientCommand::Tokens(args) => tokens::run(args).await,
            ClientCommand::Workers(args) => fleet::workers(args).await,
            ClientCommand::Queues(args) => fleet::queues(args).await,
        }
    });
    // A read of a terminal can't be interrupted; do not wait for it.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed) {
                eprintln!("{failure}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
