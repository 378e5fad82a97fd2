//! Who asks, and what they may do: [`token`] (what a client carries, how it is made and revoked),
//! [`scope`] (what a token allows), `lookup` (whether it is good), `rate` (how
//! often it may ask), [`principal`] (the handler argument that
//! proves it all).
//! Not here: accounts, sessions, passwords.

pub mod scope;
pub mod token;
mod issue;
pub(crate) mod lookup;
pub(crate) mod rate;
pub mod principal;
