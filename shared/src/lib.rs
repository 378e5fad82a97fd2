//! What the API and the workers agree on, and the adapters behind the seams.
//!
//! Start with [`job`]: the states of a job and what a client sees of it. Then, in reading order:
//! [`event`] (what a running job tells), [`error`] (every code there is), [`task`] and [`model_spec`]
//! (what a model takes and gives), [`db`] (the truth), [`queue`], [`events`] and [`cache`] (hints).
//!
//! Not here: HTTP (`lamplighter-api`), leases, batches and models (`lamplighter-worker`).

pub mod id;
pub mod job;
pub mod run;
pub mod event;
pub mod error;
pub mod task;
pub mod model_spec;
pub mod plan;
pub mod email;
pub mod oidc_provider;
pub mod config;
pub mod password_file;
pub mod network;
pub mod origin;
pub mod catalog;
pub mod key;
pub mod proof;
pub mod clock;
pub mod db;
pub mod queue;
pub mod events;
pub mod cache;
pub mod reaper;
pub mod lifecycle;
pub mod fault;
pub mod trace;
pub mod telemetry;
