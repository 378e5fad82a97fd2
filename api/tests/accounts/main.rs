//! Accounts over HTTP: who gets one and how, what mails prove, and how an account ends.

mod doors;
mod life;
mod people;
mod proofs;
#[path = "../support/mod.rs"]
mod support;
