//! A stand-in for the server in unit tests: it answers one scripted reply a connection, in order, notes
//! what it was asked, and then hangs up on everybody.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::{ClientArgs, http::Connection};

/// What one connection is answered.
pub struct Reply(String);

impl Reply {
    /// A stream of these events, which then breaks off.
    pub fn events(events: &[&str]) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self(format!("{head}{}", events.concat()))
    }

    /// A whole answer.
    pub fn status(status: u16, body: &str) -> Self {
        let length = body.len();
        Self(format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    /// No answer: the connection is closed.
    pub fn cut_off() -> Self {
        Self(String::new())
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// The body.
    pub body: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }
}

/// The stand-in.
pub struct Double {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Double {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("127.0.0.1 has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address")
            .to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        // The thread ends with the script; who comes later finds nobody.
        thread::spawn(move || {
            for reply in replies {
                let Ok((stream, _)) = listener.accept() else {
                    return;
                };
                let request = read(&stream);
                seen.lock().expect("nobody panics with the lock").push(request);
                // A client that left does not wait for our answer.
                let _ = (&stream).write_all(reply.0.as_bytes());
            }
        });
        Self { address, requests }
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("nobody panics with the lock").clone()
    }

    /// A connection to it.
    pub fn connection(&self) -> Connection {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let args = ClientArgs {
            server: Some(self.address.clone()),
            token: Some("token".to_owned()),
            data_dir: None,
        };
        Connection::new(&args).expect("the address is one")
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        let _ = lines.read_line(&mut line);
        line.trim_end().to_owned()
    };
    let line = next();
    let mut headers = Vec::new();
    while let Some((key, value)) = next().split_once(':') {
        headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(key, _)| key == "content-length")
        .and_then(|(_, v)| v.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = lines.read_exact(&mut body);
    Request {
        line,
        body: String::from_utf8_lossy(&body).into_owned(),
        headers,
    }
}
