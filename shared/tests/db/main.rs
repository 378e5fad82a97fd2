//! The statements of `shared::db`, each held to its contract on both databases.
//!
//! One program, so that all tests share one Postgres server. `world` makes a fresh database a test;
//! the other modules are in the order of a job's life, then the properties that no single statement
//! has: `fairness`, `model` (the states, against a model in plain Rust), `storm` (all at once) and `races`.

mod world;
mod submit;
mod rank;
mod claim;
mod caps;
mod quotas;
mod lease;
mod finish;
mod runs;
mod owner;
mod reap;
mod position;
mod proofs;
mod fleet;
mod retention;
mod outage;
mod start;
mod upgrade;
mod scale;
mod accounts;
mod logins;
mod own_tokens;
mod people;
mod roles;
mod tasks;
mod farewell;
mod addresses;
mod guests;
mod identities;
mod fairness;
mod model;
mod storm;
mod races;
