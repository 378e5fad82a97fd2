//! What a test says to a server: one user's view of the HTTP API.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::sse::{Events, OpenError};

/// How long [`Api::wait`] waits.
pub const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// The API as one token sees it. It follows the server to a new address after a restart.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    address: Arc<RwLock<String>>,
    token: String,
}

impl Api {
    /// Speaks to the server at an address (`HOST:PORT`).
    pub fn new(http: Client, address: Arc<RwLock<String>>, token: &str) -> Self {
        Self {
            http,
            address,
            token: token.to_owned(),
        }
    }

    /// The same server through another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address
            .read()
            .expect("nobody panics while writing an address")
            .clone()
    }

    /// The whole address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A request with the token, to be completed and sent by the caller.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(&self.token)
    }

    /// Sends a request and reads status and body; a body that is not JSON becomes a string.
    ///
    /// # Errors
    /// Where there is no whole answer.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// As [`Api::try_call`], for a server that must be there.
    ///
    /// # Panics
    /// Where there is no whole answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        self.try_call(method.clone(), path, body)
            .await
            .unwrap_or_else(|e| panic!("{method} {path}: {e:?}"))
    }

    /// GET.
    ///
    /// # Panics
    /// Where there is no whole answer.
    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    /// POST with a JSON body.
    ///
    /// # Panics
    /// Where there is no whole answer.
    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Submits a job and returns it.
    ///
    /// # Panics
    /// Where the server does not accept it.
    pub async fn post_job(&self, job: &Value) -> Value {
        let (status, body) = self.post("/v1/jobs", job).await;
        assert!(status.is_success(), "POST /v1/jobs {job}: {status} {body}");
        body
    }

    /// Reads a job.
    ///
    /// # Panics
    /// Where the server does not give it.
    pub async fn get_job(&self, id: &str) -> Value {
        let (status, body) = self.get(&format!("/v1/jobs/{id}")).await;
        assert!(status.is_success(), "GET /v1/jobs/{id}: {status} {body}");
        body
    }

    /// Opens the event stream of a job.
    ///
    /// # Errors
    /// As [`Events::open`].
    pub async fn events(&self, id: &str, last_event_id: Option<&str>) -> Result<Events, OpenError> {
        Events::open(
            &self.http,
            &self.url(&format!("/v1/jobs/{id}/events")),
            &self.token,
            last_event_id,
        )
        .await
    }

    /// Waits for the end of a job (its id, or a job with an `id`) and returns it. Listens to its events
    /// and starts again when the connection or the server goes away meanwhile.
    ///
    /// # Panics
    /// Where the job has not ended within [`WAIT_LIMIT`], or the server refuses to tell of it.
    pub async fn wait(&self, job: impl JobRef) -> Value {
        let id = job.id().to_owned();
        let listen = async {
            loop {
                match self.events(&id, None).await {
                    Ok(mut events) => {
                        while let Some(Ok(event)) = events.next().await {
                            if event.name == "done" {
                                return event.data;
                            }
                        }
                    }
                    Err(OpenError::Refused(status, body)) if status.is_client_error() => {
                        panic!("waiting for {id}: {status} {body}")
                    }
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(WAIT_LIMIT, listen).await {
            Ok(job) => job,
            Err(_) => panic!(
                "{id} has not ended after {WAIT_LIMIT:?}: {:?}",
                self.try_call(Method::GET, &format!("/v1/jobs/{id}"), None).await
            ),
        }
    }

    /// Asks for a path and never reads the answer; a reader that stalls. Its buffers and segments are small:
    /// with those of the loopback device the server's kernel would take megabytes before anybody notices.
    ///
    /// # Panics
    /// Where the server does not take the connection.
    pub async fn stall(&self, path: &str) -> TcpStream {
        let address = self.address();
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        // The kernel makes it as small as it can be.
        socket.set_recv_buffer_size(1).expect("a buffer can be small");
        setsockopt(&socket, sockopt::TcpMaxSeg, &88).expect("segments can be small");
        let to = address.parse().expect("the server is at a numeric address");
        let mut stream = socket.connect(to).await.expect("the server takes connections");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n",
            self.token
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the request fits the buffers");
        stream
    }
}

/// A job's id, or the job as the API gave it.
pub trait JobRef {
    /// The id.
    fn id(&self) -> &str;
}

impl JobRef for &str {
    fn id(&self) -> &str {
        self
    }
}

impl JobRef for &String {
    fn id(&self) -> &str {
        self
    }
}

impl JobRef for &Value {
    fn id(&self) -> &str {
        self["id"].as_str().unwrap_or_else(|| panic!("no job: {self}"))
    }
}
