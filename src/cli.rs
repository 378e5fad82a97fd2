//! The command line: one subcommand a role, and the client.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Run everything in one process: API, queue and workers, on SQLite.
    ///
    /// LAMPLIGHTER_DATABASE_URL (Postgres) and LAMPLIGHTER_REDIS_URL let it share a database with other
    /// processes. Makes what is missing on the first start: the data folder, the database, secrets, the owner and
    /// their token (DIR/owner.token). Fetches missing default models by itself.
    #[cfg(all(feature = "api", feature = "worker"))]
    Serve(ServeArgs),
    /// Run the HTTP API of a fleet; any number share Postgres and Redis.
    ///
    /// Needs LAMPLIGHTER_DATABASE_URL and the key file (LAMPLIGHTER_SECRET_KEY_FILE); uses Redis where
    /// LAMPLIGHTER_REDIS_URL names one.
    #[cfg(feature = "api")]
    Api(ServeArgs),
    /// Run a worker of a fleet; any number share Postgres and Redis.
    ///
    /// Needs LAMPLIGHTER_DATABASE_URL and the key file (LAMPLIGHTER_SECRET_KEY_FILE); uses Redis where
    /// LAMPLIGHTER_REDIS_URL names one.
    #[cfg(feature = "worker")]
    Worker(WorkerArgs),
    /// Bring the database's schema up to date (`serve` does it by itself).
    Migrate(DataArgs),
    /// Make the key that all processes of an installation share.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Print the OpenAPI document.
    #[cfg(feature = "api")]
    Openapi,
    /// Make and revoke API tokens, on the server's machine.
    #[cfg(feature = "api")]
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make and change accounts, on the server's machine.
    #[cfg(feature = "api")]
    #[command(subcommand)]
    User(UserCommand),
    /// Look after the files of models.
    #[cfg(feature = "worker")]
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Ask a running API or worker whether it is ready; for health checks of containers.
    ///
    /// Exit codes: 0 it is; 1 it is not, or does not answer within 2 s.
    #[command(verbatim_doc_comment)]
    Health {
        /// Its address, as in http://127.0.0.1:8080; without a path /readyz is asked for
        url: String,
    },
    /// The process that owns a model; started by the supervisor.
    #[cfg(feature = "worker")]
    #[command(hide = true)]
    Runner {
        /// The socket to the supervisor.
        #[arg(long)]
        fd: std::os::fd::RawFd,
    },
    /// The process that converts a model's files; started by whoever fetches them.
    #[cfg(feature = "worker")]
    #[command(hide = true)]
    Convert,
    /// As a client of a server.
    #[command(flatten)]
    Client(ClientCommand),
}

/// Where the installation is.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder of the database, secrets and models [default: ./data]
    #[arg(long, value_name = "DIR", env = "LAMPLIGHTER_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Of `worker`.
#[derive(Debug, Clone, Args)]
pub struct WorkerArgs {
    /// Where the installation is.
    #[command(flatten)]
    pub data: DataArgs,
    /// Ids of the models to serve, separated by commas [default: the catalogue's defaults]
    #[arg(long, value_delimiter = ',', value_name = "MODELS")]
    pub models: Vec<String>,
    /// What it is called in the fleet [default: the machine's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Address of /healthz, /readyz and /metrics [default: none]
    #[arg(long, value_name = "HOST:PORT")]
    pub health_bind: Option<String>,
}

/// Of `secret`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Write a new key to a file that only its owner may read; one that is there is never replaced.
    Create {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// The file [default: LAMPLIGHTER_SECRET_KEY_FILE, else DIR/secret.key]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Add a new key, which seals once every process knows it; the one before still opens.
    ///
    /// Running processes read the file again by themselves. Where each machine has its own copy, copy it to all
    /// of them within --grace.
    Rotate {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// The file [default: LAMPLIGHTER_SECRET_KEY_FILE, else DIR/secret.key]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// How long all processes may take to know it
        #[arg(long, value_name = "DURATION", default_value = "1m")]
        grace: humantime::Duration,
    },
    /// Take the keys that seal no more out of the file: what they sealed, tokens too, is void.
    Retire {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// The file [default: LAMPLIGHTER_SECRET_KEY_FILE, else DIR/secret.key]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Of `serve` and `api`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where the installation is.
    #[command(flatten)]
    pub data: DataArgs,
    /// Address of the HTTP API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", env = "LAMPLIGHTER_BIND")]
    pub bind: Option<String>,
}

/// Of `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it; it is shown only this once.
    Create {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// Whose token; where there is none, an account is made, with the plan `unlimited` [default: the owner]
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// What it allows, separated by commas [default: everything the account may do]
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<String>,
        /// How long it is good, 10m to 366d
        #[arg(long, value_name = "DURATION", default_value = "30d")]
        expires_in: humantime::Duration,
        /// What to call it
        #[arg(long, default_value = "cli")]
        name: String,
    },
    /// Revoke a token: from the next request on it is refused.
    Revoke {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// The token, or `-` to read it from standard input (it then stays out of the shell's history)
        token: String,
    },
}

/// Of `user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account that can be used at once; prints a one-time set-up link unless it is given a password.
    Create {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// The address
        email: String,
        /// The user may administrate the installation
        #[arg(long)]
        admin: bool,
        /// The plan [default: that of whoever registers; of an admin, `unlimited`]
        #[arg(long, value_name = "NAME")]
        plan: Option<String>,
        /// Read the password from standard input (its first line)
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the accounts, newest first.
    List {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Let a user administrate the installation; they log in again.
    Promote(OneUser),
    /// Take that back; they log in again.
    Demote(OneUser),
    /// Refuse a user's tokens and logins from now on.
    Disable(OneUser),
    /// Take that back.
    Enable(OneUser),
    /// Give a user another plan.
    SetPlan {
        /// Whose.
        #[command(flatten)]
        user: OneUser,
        /// The name of the plan
        plan: String,
    },
}

/// One account.
#[derive(Debug, Clone, Args)]
pub struct OneUser {
    /// Where the installation is.
    #[command(flatten)]
    pub data: DataArgs,
    /// The address of the account
    pub email: String,
}

/// Of `models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the catalogue and what of it is on this machine.
    List {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Fetch the files of models (all default models when none is named) and check them.
    Pull {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// Ids of models
        models: Vec<String>,
    },
    /// Switch a model off: it takes no new jobs, leaves the memory of all workers, and its waiting jobs wait.
    ///
    /// It holds over restarts. A server that runs follows within some 3 s.
    Disable {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// Id of the model
        model: String,
    },
    /// Take that back.
    Enable {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// Id of the model
        model: String,
    },
    /// Check the files of models against their digests, load each and have it compute the examples of its tasks (all
    /// that are here when none is named).
    ///
    /// Prints how fast that was and how much memory it took: a table, or one line of JSON a model where it does not
    /// go to a terminal. Exit codes: 0 all work; 1 one does not.
    #[command(verbatim_doc_comment)]
    Verify {
        /// Where the installation is.
        #[command(flatten)]
        data: DataArgs,
        /// Check the files only
        #[arg(long)]
        files_only: bool,
        /// Ids of models
        models: Vec<String>,
    },
}
