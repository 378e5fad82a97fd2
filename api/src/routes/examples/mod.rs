//! The examples of the OpenAPI document: what requests and answers look like, a file for each of the routes
//! beside. What failures look like stands in `openapi::failures`.

mod account;
mod audit;
mod events;
mod health;
mod invitations;
mod jobs;
mod models;
mod outbox;
mod plans;
mod queues;
mod registration;
mod session;
mod third_party;
mod tokens;
mod usage;
mod user_tokens;
mod users;
mod workers;

use serde_json::{Value, json};

/// The media type of most answers.
const JSON: Option<&str> = Some("application/json");
/// The media type of event streams.
const EVENTS: Option<&str> = Some("text/event-stream");
/// What secrets of links look like.
const SECRET: &str = "Jb3nT0xkq5Zc8mYw2RfVd7sLh9AgQe1uPiXoKzBtN4M";
const JOB: &str = "job_01ke1c2v7h8q9r0s1t2v3w4x5y";
const USER: &str = "user_01ke1bzz4m3n2p1q0r9s8t7v6w";
const TOKEN: &str = "tok_01ke1c2v7h8q9r0s1t2v3w4x5y";

/// The examples of one operation.
#[derive(Default)]
pub(crate) struct Examples {
    /// Of the body.
    pub request: Option<Value>,
    /// Of answers: status, media type (none where there is no content), example.
    pub responses: Vec<(u16, Option<&'static str>, Value)>,
}

/// The examples of an operation; none of one that no group knows.
pub(crate) fn of(operation: &str) -> Examples {
    let groups = [
        jobs::of,
        events::of,
        models::of,
        workers::of,
        queues::of,
        session::of,
        users::of,
        user_tokens::of,
        audit::of,
        tokens::of,
        outbox::of,
        registration::of,
        account::of,
        invitations::of,
        plans::of,
        usage::of,
        third_party::of,
        health::of,
    ];
    let mut found = groups.iter().filter_map(|of| of(operation));
    found.next().unwrap_or_default()
}

impl Examples {
    /// Of an answer of JSON.
    fn json(status: u16, body: Value) -> Self {
        Self::default().or(status, JSON, body)
    }

    /// Of a list with this in it.
    fn list(item: Value) -> Self {
        Self::json(200, json!({"object": "list", "data": [item]}))
    }

    /// Of an event stream.
    fn stream(text: String) -> Self {
        Self::default().or(200, EVENTS, text.into())
    }

    /// Of an answer without content: the request that it follows, or its headers.
    fn empty(status: u16, said: impl Into<Value>) -> Self {
        Self::default().or(status, None, said.into())
    }

    /// One more answer.
    fn or(mut self, status: u16, media_type: Option<&'static str>, example: Value) -> Self {
        self.responses.push((status, media_type, example));
        self
    }

    /// And of the body that was asked with.
    fn asked(mut self, body: Value) -> Self {
        self.request = Some(body);
        self
    }
}
