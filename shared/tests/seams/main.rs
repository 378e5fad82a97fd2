//! The seams other than the database, each held to its contract on both of its implementations: in the
//! process and in Redis. Then what only Redis can do to us (`faults`), and properties of the events (`model`)
//! and of rates (`rates`).

mod world;
mod doorbell;
mod events;
mod cache;
mod rates;
mod model;
mod faults;
