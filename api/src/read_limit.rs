//! A connection that ends when its client takes too long to say what it wants: a byte now and then keeps
//! a connection from ever being idle, and with it a descriptor and memory, for nothing and without a token.
//! And one that ends when its client has hung up: the server would go on with the answer until a write fails,
//! which a quiet event stream tries twice in half a minute. And one of HTTP/2 ends at once (`preface`).
//!
//! Not here: clients that send nothing at all (the server's idle time), and clients that take nothing
//! (the write timeout).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{outlet::Outlet, preface::Preface};

/// A connection on which bytes may come for `limit` without one byte of ours in between. A client that
/// waits silently for its answer is not limited.
///
/// Once the client has closed its side it still gets what answers its last request so far, and then the
/// connection breaks: flushing fails.
pub struct ReadLimit<S> {
    inner: S,
    limit: Duration,
    /// Since when bytes come that nothing was answered to.
    unanswered: Option<Instant>,
    /// Whether the client has closed its side.
    hung_up: bool,
    /// Told whether there is room for what is written.
    outlet: Outlet,
    preface: Preface,
}

impl<S> ReadLimit<S> {
    /// Limits `inner`.
    pub fn new(inner: S, limit: Duration, outlet: Outlet) -> Self {
        Self {
            inner,
            limit,
            unanswered: None,
            hung_up: false,
            outlet,
            preface: Preface::new(),
        }
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.outlet.note(result.is_pending());
        if matches!(result, Poll::Ready(Ok(_))) {
            self.unanswered = None;
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadLimit<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            if self.preface.completes(&buf.filled()[before..]) {
                return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
            }
            let since = *self.unanswered.get_or_insert_with(Instant::now);
            if since.elapsed() > self.limit {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        } else if room > 0 {
            self.hung_up = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadLimit<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        if self.hung_up && self.unanswered.is_none() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::outlet::Outlets;

    #[tokio::test]
    async fn who_hangs_up_gets_the_answer_that_was_asked_for_and_no_more() {
        let (mut client, server) = duplex(1024);
        let outlet = Arc::<Outlets>::default().open(([127, 0, 0, 1], 9).into());
        let mut server = ReadLimit::new(server, Duration::from_secs(60), outlet);
        client.write_all(b"a request").await.expect("there is room");
        client.shutdown().await.expect("it is open");
        let mut asked = Vec::new();
        server.read_to_end(&mut asked).await.expect("it ends");
        server.flush().await.expect("nothing is answered yet");
        server.write_all(b"an answer").await.expect("there is room");
        let error = server.flush().await.expect_err("nobody asks for more");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("it is whole");
        assert_eq!(
            (asked.as_slice(), answer.as_str()),
            (b"a request".as_slice(), "an answer")
        );
    }
}
