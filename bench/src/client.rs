//! A cheap HTTP/1.1 client: one connection that is kept, no pool, no redirects. Clients share the
//! machine with the server they measure, so what they cost is missing there.

use std::io;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What an answer must fit into, with its headers.
const MAX_ANSWER: usize = 16 << 20;

/// A connection to the server, as the holder of a token.
pub struct Client {
    stream: TcpStream,
    /// What every request has after its first line.
    head: String,
    buffer: Vec<u8>,
}

/// An answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> io::Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    /// Where nobody listens there.
    pub async fn connect(address: &str, token: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            head: format!("Host: {address}\r\nAuthorization: Bearer {token}\r\n"),
            buffer: Vec::with_capacity(16 << 10),
        })
    }

    /// Submits a job (a JSON text) with this preference.
    ///
    /// # Errors
    /// Where the connection breaks, or the answer is no success.
    pub async fn submit(&mut self, job: &str, prefer: &str) -> io::Result<Answer> {
        let request = format!(
            "POST /v1/jobs HTTP/1.1\r\n{}Content-Type: application/json\r\nPrefer: {prefer}\r\nContent-Length: {}\r\n\r\n{job}",
            self.head,
            job.len()
        );
        self.exchange(&request).await
    }

    /// Gets a page, whatever the answer is.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.head);
        self.say(&request).await
    }

    async fn say(&mut self, request: &str) -> io::Result<Answer> {
        self.stream.write_all(request.as_bytes()).await?;
        self.read_answer().await
    }

    async fn exchange(&mut self, request: &str) -> io::Result<Answer> {
        let answer = self.say(request).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(io::Error::other(format!("status {}: {body}", answer.status)))
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        self.buffer.clear();
        loop {
            if let Some((status, from, length)) = head_of(&self.buffer)? {
                while self.buffer.len() < from + length {
                    self.fill().await?;
                }
                let body = self.buffer[from..from + length].to_vec();
                return Ok(Answer { status, body });
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.buffer.len() > MAX_ANSWER {
            return Err(io::Error::other("the answer is too long"));
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Status, start and length of the body, once all headers are there.
fn head_of(bytes: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some((status, end + 4, length))),
        _ => Err(io::Error::other(format!(
            "an answer without status or length: {head}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_once_they_are_whole() {
        let answer = b"HTTP/1.1 202 Accepted\r\nX: y\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(head_of(answer).expect("an answer"), Some((202, 50, 2)));
        for cut in 0..50 {
            assert_eq!(head_of(&answer[..cut]).expect("no error yet"), None, "{cut}");
        }
        assert!(head_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
