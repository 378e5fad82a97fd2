//! Requests as bytes on a socket: what no HTTP client would send can be sent, and an answer that comes
//! before the request is out is read.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The body of a request.
#[derive(Debug, Clone)]
pub enum Body {
    /// These bytes, with their length in the head.
    Sized(Vec<u8>),
    /// These bytes, in chunks.
    Chunked(Vec<u8>),
    /// This many bytes of blanks, announced by the head.
    Blanks(usize),
    /// This many bytes of blanks, in chunks, unannounced.
    ChunkedBlanks(usize),
    /// Nothing.
    None,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        found.unwrap_or_default()
    }
}

static BLANKS: [u8; 64 * 1024] = [b' '; 64 * 1024];

/// Sends a head (without the blank line) and a body, and reads the answer meanwhile.
pub async fn send(address: &str, head: &[u8], body: &Body) -> Answer {
    let stream = TcpStream::connect(address)
        .await
        .expect("the server takes connections");
    let (mut reader, mut writer) = stream.into_split();
    let (mut head, body) = (head.to_vec(), body.clone());
    let write = async move {
        match &body {
            Body::Sized(bytes) => head.extend(format!("Content-Length: {}\r\n", bytes.len()).bytes()),
            Body::Blanks(length) => head.extend(format!("Content-Length: {length}\r\n").bytes()),
            Body::Chunked(_) | Body::ChunkedBlanks(_) => head.extend(b"Transfer-Encoding: chunked\r\n"),
            Body::None => {}
        }
        head.extend(b"\r\n");
        writer.write_all(&head).await?;
        match body {
            Body::Sized(bytes) => writer.write_all(&bytes).await?,
            Body::Chunked(bytes) => {
                for part in bytes.chunks(1000) {
                    chunk(&mut writer, part).await?;
                }
                writer.write_all(b"0\r\n\r\n").await?;
            }
            Body::Blanks(mut length) => {
                while length > 0 {
                    let part = length.min(BLANKS.len());
                    writer.write_all(&BLANKS[..part]).await?;
                    length -= part;
                }
            }
            Body::ChunkedBlanks(length) => {
                for _ in 0..length.div_ceil(BLANKS.len()) {
                    chunk(&mut writer, &BLANKS).await?;
                }
                writer.write_all(b"0\r\n\r\n").await?;
            }
            Body::None => {}
        }
        // Kept open: a half-closed connection is another case.
        Ok::<_, std::io::Error>(writer)
    };
    // The server may stop reading in the middle; that is its right once it has answered.
    let writing = tokio::spawn(write);
    let answer = tokio::time::timeout(Duration::from_secs(20), read(&mut reader)).await;
    writing.abort();
    answer.expect("an answer in time")
}

async fn chunk(writer: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer
        .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
        .await?;
    writer.write_all(bytes).await?;
    writer.write_all(b"\r\n").await
}

/// Reads one answer: its head, and as much body as the head says.
async fn read(reader: &mut (impl AsyncReadExt + Unpin)) -> Answer {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut answer = Answer {
                status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0),
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length: usize = answer.header("content-length").parse().unwrap_or(0);
            if body.len() >= length {
                answer.body.truncate(length);
                return answer;
            }
        }
        match reader.read(&mut buffer).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            // No whole answer: status 0 tells.
            _ => {
                return Answer {
                    status: 0,
                    head: String::new(),
                    body: String::from_utf8_lossy(&bytes).into_owned(),
                };
            }
        }
    }
}
