//! People at the real program: from the registration to a token that is refused, in one process and in a fleet.

mod flow;
mod person;

/// The binary under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");
