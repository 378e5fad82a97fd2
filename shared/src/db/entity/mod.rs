//! The tables as sea-orm entities: columns, their types, and how rows become the types of this crate.
//! Queries stand with the table they ask, beside this folder; statements that decide stay SQL.

pub(super) mod api_tokens;
pub(super) mod job_payloads;
pub(super) mod jobs;
pub(super) mod users;
pub(super) mod workers;
