//! Who asks, and what they may do: [`token`] (what a client carries, how it is made and revoked),
//! [`scope`] (what a token allows), `lookup` and `source` (whether a token or session is good), [`void`] (how the cache
//! hears that one ended), `password` and `login` (how somebody shows who they are), `strength` (how good a password
//! is), `guesses` (how wrong ones are counted), `session` (how logins begin and end), `cookies` (how a session
//! travels), `bearer` (how a token does), `guest` (who has no account), `share` (whose use is counted together),
//! `rate` (how often they may ask), [`principal`] (the handler argument that proves it all), `witness` (whether
//! that still holds when a slow body is there).
//!
//! `oidc`: logins at issuers of OpenID Connect.

pub mod scope;
pub mod token;
pub mod secret;
pub(crate) mod oidc;
mod issue;
pub(crate) mod lookup;
pub(crate) mod source;
pub mod void;
pub(crate) mod hand_on;
pub(crate) mod cookies;
pub(crate) mod guest;
pub(crate) mod share;
pub(crate) mod rate;
mod argon;
mod strength;
pub(crate) mod guesses;
pub(crate) mod password;
pub mod setup;
pub(crate) mod session;
pub(crate) mod login;
pub(crate) mod bearer;
pub mod principal;
pub(crate) mod witness;
