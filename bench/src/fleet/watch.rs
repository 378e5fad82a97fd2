//! Listens to the channels on which workers tell what happens to jobs: the moment a claim is known outside
//! the process that made it. A connection of its own, with just enough of Redis' protocol.

use std::{io, time::Instant};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// What the channels of all jobs are called.
const CHANNELS: &str = "lamplighter:events:";

/// Hears of every job.
pub struct Watch(BufReader<TcpStream>);

/// Something happened to a job.
pub struct News {
    /// The job, as the API calls it.
    pub job: String,
    /// When it was heard.
    pub at: Instant,
}

impl Watch {
    /// Subscribes.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn open(port: u16) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        stream
            .write_all(format!("PSUBSCRIBE {CHANNELS}*\r\n").as_bytes())
            .await?;
        let mut watch = Self(BufReader::new(stream));
        watch.message().await?;
        Ok(watch)
    }

    /// The next news.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn next(&mut self) -> io::Result<News> {
        loop {
            // `pmessage`, the pattern, the channel, the text.
            let message = self.message().await?;
            let at = Instant::now();
            if let Some(job) = message.get(2).and_then(|channel| channel.strip_prefix(CHANNELS)) {
                let job = job.to_owned();
                return Ok(News { job, at });
            }
        }
    }

    /// A list of texts and numbers.
    async fn message(&mut self) -> io::Result<Vec<String>> {
        let count = self.line('*').await?;
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            let mut line = String::new();
            self.0.read_line(&mut line).await?;
            let Some(length) = line.strip_prefix('$') else {
                parts.push(line.trim_end().to_owned());
                continue;
            };
            let mut text = vec![0; number(length)? + 2];
            self.0.read_exact(&mut text).await?;
            text.truncate(text.len() - 2);
            parts.push(String::from_utf8_lossy(&text).into_owned());
        }
        Ok(parts)
    }

    /// The number of a line that begins like this.
    async fn line(&mut self, first: char) -> io::Result<usize> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let rest = line.strip_prefix(first);
        number(rest.ok_or_else(|| io::Error::other(format!("not a list: {line}")))?)
    }
}

fn number(text: &str) -> io::Result<usize> {
    text.trim_end().parse().map_err(io::Error::other)
}
