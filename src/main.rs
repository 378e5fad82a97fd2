//! The binary: reads the command line and starts one role.

mod cli;
mod client;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().command {
        cli::Command::Client(command) => client::main(command),
    }
}
