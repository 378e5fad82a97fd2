//! The HTTP side of Lamplighter; the only crate that knows poem.
//!
//! Start with [`build`]: the whole API as one endpoint; [`serve()`] puts it on a socket. In reading order:
//! `routes` (every operation), `auth` (who asks), `submit` (the one use-case), `wait` and `event_stream`
//! (following a job), `edge` (failures become problem documents), `site` (the web app) and
//! `observe` (everything is counted) around it all, `openapi` (the document).
//!
//! Not here: SQL, leases, models. What a job is stands in `lamplighter-shared`.

mod state;
mod edge;
mod cross_site;
mod cors;
mod headers;
mod admission;
mod observe;
mod serve;
mod read_limit;
mod preface;
mod outlet;
mod client_address;
mod client;
mod site;
mod routes;
pub mod auth;
mod plans;
mod running_caps;
mod queue_room;
mod switches;
mod rate_headers;
mod nodes;
pub mod mail;
pub mod accounts;
mod preferences;
mod json_body;
mod body_room;
mod optional_body;
mod strict_json;
mod create_job;
mod token_body;
mod token_usage;
mod token_view;
mod schema;
mod work;
mod submit;
mod present;
mod job_view;
mod job_attempt;
mod wait;
mod event_stream;
mod stream_slots;
mod sse;
mod error;
mod message;
mod locale;
mod answer;
mod openapi;
mod free_form;
mod clearable;
mod timestamp;

use std::sync::Arc;

use poem::{Endpoint, Response};

pub use serve::serve;
pub use state::ApiState;

/// The API as one endpoint, without a socket; it never stops by itself.
pub fn build(state: ApiState) -> impl Endpoint<Output = Response> {
    routes::endpoint(Arc::new(state::App::new(state, Default::default())))
}

/// The OpenAPI document: pretty JSON with a newline at its end, the same bytes at every call.
pub fn openapi_json() -> String {
    openapi::json()
}
