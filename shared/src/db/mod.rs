//! The truth: every table, with its queries. The only place (with `migrations`) that knows sea-orm.
//!
//! One file a table or a hot statement. A statement has one SQL text for both dialects wherever they
//! agree; [`Db::sql`] fills in what differs (the clock, row locks). Every query on behalf of a user
//! takes the owner; a foreign row is as absent as a missing one.

mod connection;
mod pool;
mod failure;
mod migrate;
mod entity;
pub mod users;
pub mod people;
pub mod user_tokens;
pub mod api_tokens;
pub mod own_tokens;
pub mod sessions;
pub mod attempts;
pub mod challenges;
pub mod invitations;
pub mod accounts;
pub mod identities;
pub mod audit;
pub mod tasks;
pub mod task_claims;
pub mod outbox;
pub mod reminders;
pub mod jobs;
pub mod submit;
pub mod shares;
mod lanes;
pub mod running_caps;
mod settle;
pub mod usage;
pub mod plans;
pub mod nodes;
mod submitter;
pub mod claim;
pub mod lease;
pub mod finish;
pub mod reap;
pub mod retention;
pub mod position;
pub mod queues;
pub mod workers;
pub mod disabled_models;

pub use connection::{Db, Dialect};
pub use pool::DbOptions;

/// A statement could not be carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// The database does not answer; the same may work later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Everything else: a fault of ours, or a row that can't be read.
    #[error("database: {0}")]
    Statement(String),
}
