//! Who asks, and what they may do: [`token`] (what a client carries, how it is made and revoked),
//! [`scope`] (what a token allows), [`principal`] (the handler argument that proves both).
//! Not here: accounts, sessions, passwords.

pub mod scope;
pub mod token;
mod issue;
pub mod principal;
