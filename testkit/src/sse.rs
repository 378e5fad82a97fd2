//! A listener on an event stream: name, id and data of each event, as they come.
//!
//! It does nothing by itself: no reconnecting, no dropping of duplicates. What a client must do after a
//! lost connection is what the tests are about.

use std::{fmt, pin::Pin};

use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt};
use reqwest::{Client, StatusCode};
use serde_json::Value;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name (`status`, `output`).
    pub name: String,
    /// Its id; empty when the stream gave none so far.
    pub id: String,
    /// Its data, parsed; text that is not JSON is a string.
    pub data: Value,
}

/// Why a stream could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// No answer.
    Transport(reqwest::Error),
    /// An answer that is no event stream.
    Refused(StatusCode, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(e) => write!(f, "no answer: {e}"),
            Self::Refused(status, body) => write!(f, "{status}: {body}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The connection broke in the middle; the text says how.
#[derive(Debug)]
pub struct Broken(pub String);

/// An open stream. Dropping it closes the connection.
pub struct Events {
    events: Pin<Box<dyn Stream<Item = Result<Event, Broken>> + Send>>,
}

impl Events {
    /// Opens a stream; `last_event_id` resumes after that event.
    ///
    /// # Errors
    /// Where there is no answer, or another than an event stream.
    pub async fn open(
        http: &Client,
        url: &str,
        token: &str,
        last_event_id: Option<&str>,
    ) -> Result<Self, OpenError> {
        let mut request = http
            .get(url)
            .bearer_auth(token)
            .header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.map_err(OpenError::Transport)?;
        let status = response.status();
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if status != StatusCode::OK || !kind.starts_with("text/event-stream") {
            return Err(OpenError::Refused(
                status,
                response.text().await.unwrap_or_default(),
            ));
        }
        Ok(Self {
            events: Box::pin(response.bytes_stream().eventsource().map(read)),
        })
    }

    /// The next event; none when the server ended the stream.
    ///
    /// # Errors
    /// Where the connection broke.
    pub async fn next(&mut self) -> Option<Result<Event, Broken>> {
        self.events.next().await
    }

    /// Reads on to the event with this name and returns it.
    ///
    /// # Panics
    /// Where the stream ends or breaks before.
    pub async fn until(&mut self, name: &str) -> Event {
        let mut seen = Vec::new();
        loop {
            match self.next().await {
                Some(Ok(event)) if event.name == name => return event,
                Some(Ok(event)) => seen.push(event.name),
                Some(Err(e)) => panic!("the stream broke before `{name}`: {}; seen: {seen:?}", e.0),
                None => panic!("the stream ended before `{name}`; seen: {seen:?}"),
            }
        }
    }

    /// Reads to the end of the stream.
    ///
    /// # Panics
    /// Where the connection breaks.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event.unwrap_or_else(|e| panic!("the stream broke: {}", e.0)));
        }
        events
    }
}

fn read<E: fmt::Display>(event: Result<eventsource_stream::Event, E>) -> Result<Event, Broken> {
    let event = event.map_err(|e| Broken(e.to_string()))?;
    let data = serde_json::from_str(&event.data).unwrap_or(Value::String(event.data));
    Ok(Event {
        name: event.event,
        id: event.id,
        data,
    })
}
