//! What answers and their cost give away: nobody learns who has an account (S2), and a forged token costs
//! nothing before it is refused (S6), and a good one little. The cost is counted where it is spent, in [`effort`].

mod effort;
mod enumeration;
mod forger;
mod forgery;
mod hot_path;
#[path = "../support/mod.rs"]
mod support;
