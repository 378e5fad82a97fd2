//! Machine readable zones of travel documents (ICAO Doc 9303, parts 3 to 7): finding one among
//! recognised lines, correcting what recognition confuses, and reading its fields.
//!
//! Nothing here touches a picture: the input is text with places, the output is text. A zone is
//! called valid only if every check digit it has is right and every field has the form that the
//! standard gives it. Two limits lie in the standard itself, not here: names, states, sex and
//! document code carry no check digit, and characters whose values are equal modulo 10
//! (`6`/`G`, `1`/`L`, and `0`, `A`, `K`, `U`, `<`) are the same to every check digit.

mod align;
mod check;
mod confusion;
mod date;
mod find;
mod layout;
mod parse;
mod repair;
mod state;
#[cfg(test)]
mod tests;

pub use confusion::ALPHABET;
pub use date::Day;
pub use find::{Piece, find};
pub use layout::Kind;
pub use parse::Reading;
