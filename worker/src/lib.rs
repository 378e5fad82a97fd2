//! The fleet side: the supervisor (leases, batches) and the runner (the engine). The only crate that
//! knows candle; it knows nothing of HTTP.
//!
//! Start with [`supervisor`]. The path of a job, in reading order: [`claim`] (the feeder takes it) →
//! [`feed`] (the apalis worker carries it) → [`dispatch`] and [`batcher`] (it joins a batch) →
//! [`runner`] and [`models`] (it is computed) → [`finish`] (its end is written). Beside the path:
//! [`held`] (the guard every job in hand stands in), [`lease`], [`board`], [`liveness`], and for the
//! models' files [`catalog`], [`weights`], [`fetch`] and [`smoke`].

pub mod supervisor;
pub mod context;
pub mod duty;
pub mod claim;
pub mod scout;
pub mod held;
pub mod feed;
pub mod dispatch;
pub mod member;
pub mod batcher;
pub mod finish;
pub mod lease;
pub mod board;
pub mod residency;
pub mod seat;
pub mod memory;
pub mod liveness;
pub mod health;
pub mod tally;
pub mod fetch;
pub mod catalog;
pub mod weights;
pub mod convert;
pub mod smoke;
pub mod runner;
pub mod models;
pub mod device;
