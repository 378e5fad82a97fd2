//! x
fn main() { print!("{}", lamplighter_api::openapi_json()); }
