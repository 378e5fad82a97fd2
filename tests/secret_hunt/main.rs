//! S7: no secret stands anywhere but with its owner (for a whole installation see `deployment`, `secrets`), and what
//! looks for tokens in repositories finds them.

mod embedded;
mod scanner;
