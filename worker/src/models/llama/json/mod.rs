//! Output that is JSON by construction: a schema becomes a [`Grammar`], a [`State`] follows it byte by byte,
//! and a [`mask`](Vocabulary) says which tokens keep the text a beginning of something that fits.
//!
//! Two promises. What is generated always parses and fits the schema: whatever a schema allows beyond what is
//! written here (other orders of keys, unlisted keys, long numbers) is left out, and what can't be enforced is
//! refused when the job is read. And it is whole when the tokens run out: a token is only allowed if what is
//! left is enough to close everything that is open, at one byte a token.

mod close;
mod grammar;
mod machine;
mod scalars;
mod schema;
mod tokens;

pub(super) use self::{grammar::Grammar, machine::State, schema::compile, tokens::Vocabulary};

#[cfg(test)]
mod tests;
