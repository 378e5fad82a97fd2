//! The runner: a child process that owns one loaded model, and the supervisor's handle on it.
//!
//! [`process`] is the parent's side, [`child`] the child's, [`protocol`] what they say to each other.
//! Leases, epochs and batches are the supervisor's business: a runner knows tickets only.

mod alloc;
pub mod child;
mod member;
pub mod process;
pub mod protocol;
pub(crate) mod spawn;

pub use alloc::OomReporting;
pub use member::{Cancel, Member, Report};
pub use process::{Exit, Runner, RunnerGone, RunnerOptions, RunnerSender, StartError};
