//! The command line: one subcommand a role, and the client.

use clap::{Parser, Subcommand};

use crate::client::ClientCommand;

/// Self-hosted inference: a durable job queue in front of a fleet of model workers.
#[derive(Debug, Parser)]
#[command(name = "lamplighter", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Roles of the server, and the client.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// As a client of a server.
    #[command(flatten)]
    Client(ClientCommand),
}
