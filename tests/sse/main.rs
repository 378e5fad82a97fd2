//! Event streams of a real server: whatever breaks between it and its clients, each of them sees every
//! chunk once and in order, or is told that it can't.
//!
//! `listener` is a client as `docs/api.md` wants it, with a memory of what went wrong; `resume` breaks
//! its connections and its server; `ends` is about streams that end or should; `stalled` about clients
//! that never read. The state machine behind a stream has tests of its own in the crate `api`.

mod listener;
mod resume;
mod ends;
mod stalled;

use lamplighter_testkit::server::Options;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");

fn server() -> Options {
    Options::new(PROGRAM)
}
