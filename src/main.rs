//! The binary: reads the command line and starts one role. The only place that knows API and worker both.

mod cli;
mod client;
mod installation;
mod adapters;
mod role;
#[cfg(all(feature = "api", feature = "worker"))]
mod serve;
#[cfg(all(feature = "api", feature = "worker"))]
mod owner_token;
#[cfg(all(feature = "api", feature = "worker"))]
mod setup_token;
#[cfg(feature = "api")]
mod api;
#[cfg(feature = "worker")]
mod worker;
mod migrate;
mod secret;
mod health;
#[cfg(feature = "api")]
mod token;
#[cfg(feature = "api")]
mod user;
#[cfg(feature = "worker")]
mod models;

use std::process::ExitCode;

use clap::Parser;

/// So that a runner out of memory says so before it ends; everywhere else it is the system's allocator.
#[cfg(feature = "worker")]
#[global_allocator]
static ALLOCATOR: lamplighter_worker::runner::OomReporting = lamplighter_worker::runner::OomReporting;

fn main() -> ExitCode {
    let command = cli::Cli::parse().command;
    #[cfg(feature = "worker")]
    match command {
        cli::Command::Runner { fd } => return lamplighter_worker::runner::child::main(fd),
        cli::Command::Convert => return lamplighter_worker::convert::child::main(),
        _ => {}
    }
    // One TLS provider for the whole process, before anything could look for one.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("lamplighter: a second TLS provider is linked");
        return ExitCode::FAILURE;
    }
    lamplighter_shared::fault::init();
    match command {
        cli::Command::Client(command) => client::main(command),
        command => installation::block_on(run(command)),
    }
}

async fn run(command: cli::Command) -> Result<(), installation::Failure> {
    match command {
        #[cfg(all(feature = "api", feature = "worker"))]
        cli::Command::Serve(args) => serve::serve(args).await,
        #[cfg(feature = "api")]
        cli::Command::Api(args) => api::api(args).await,
        #[cfg(feature = "worker")]
        cli::Command::Worker(args) => worker::worker(args).await,
        cli::Command::Secret(command) => secret::run(command),
        cli::Command::Health { url } => health::health(&url).await,
        cli::Command::Migrate(args) => migrate::migrate(&args).await,
        #[cfg(feature = "api")]
        cli::Command::Openapi => {
            print!("{}", lamplighter_api::openapi_json());
            Ok(())
        }
        #[cfg(feature = "api")]
        cli::Command::Token(command) => token::run(command).await,
        #[cfg(feature = "api")]
        cli::Command::User(command) => user::run(command).await,
        #[cfg(feature = "worker")]
        cli::Command::Models(command) => models::run(command).await,
        #[cfg(feature = "worker")]
        cli::Command::Runner { .. } | cli::Command::Convert => unreachable!("main runs it without a runtime"),
        cli::Command::Client(_) => unreachable!("main runs it"),
    }
}
