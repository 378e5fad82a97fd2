//! The listening side: accepts connections, cuts clients that take nothing, ends in an orderly way.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use lamplighter_shared::lifecycle::Lifecycle;
use poem::{
    Server,
    http::uri::Scheme,
    listener::Acceptor,
    web::{LocalAddr, RemoteAddr},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

use crate::{
    auth::void,
    mail::worker,
    nodes,
    outlet::{Outlets, Patient},
    read_limit::ReadLimit,
    routes,
    state::{ApiState, App},
};

/// Connections on which nothing moves for this long are closed. Longer than the longest silence we
/// cause ourselves (`Prefer: wait=60`); streams are never silent this long.
const IDLE: Duration = Duration::from_secs(120);

/// Accepts TCP connections whose writes must make progress.
///
/// A client that stops reading leaves its answer's stream unpolled, so nothing in there can notice. The
/// socket does: a write that makes no progress for the time ends the connection, and with it everything
/// that was held for the client.
struct GuardedAcceptor {
    listener: TcpListener,
    local: LocalAddr,
    write_timeout: Duration,
    read_timeout: Duration,
    outlets: Arc<Outlets>,
}

impl Acceptor for GuardedAcceptor {
    type Io = ReadLimit<Pin<Box<TimeoutStream<TcpStream>>>>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![self.local.clone()]
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (socket, remote) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of descriptors, most likely. The server would ask again at once, and for ever.
                tracing::warn!(error = %e, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Err(e);
            }
        };
        // Answers are written whole; waiting to fill a packet only adds latency.
        socket.set_nodelay(true)?;
        let mut guarded = TimeoutStream::new(socket);
        guarded.set_write_timeout(Some(self.write_timeout));
        Ok((
            ReadLimit::new(Box::pin(guarded), self.read_timeout, self.outlets.open(remote)),
            self.local.clone(),
            RemoteAddr(remote.into()),
            Scheme::HTTP,
        ))
    }
}

/// Serves the API until the lifecycle's soft token is cancelled; then open streams and waits end, requests
/// in hand are answered, and it returns, at the latest when the hard token is cancelled.
///
/// # Errors
/// Where the listener can't be used.
pub async fn serve(listener: TcpListener, state: ApiState, lifecycle: Lifecycle) -> io::Result<()> {
    let server = &state.config.server;
    let grace = Duration::from_secs(server.grace_seconds);
    let outlets = Arc::<Outlets>::default();
    let address = listener.local_addr()?;
    let acceptor = GuardedAcceptor {
        local: LocalAddr(address.into()),
        listener,
        write_timeout: Duration::from_secs(server.write_timeout_seconds),
        read_timeout: Duration::from_secs(server.read_timeout_seconds),
        outlets: outlets.clone(),
    };
    lifecycle.spawn(void::repeat(
        state.db.clone(),
        state.cache.clone(),
        lifecycle.soft.clone(),
    ));
    let app = Arc::new(App::new(state, lifecycle.soft.clone()).listening_at(address));
    lifecycle.spawn(worker::run(app.clone(), lifecycle.clone()));
    lifecycle.spawn(nodes::beat(app.clone()));
    let soft = lifecycle.soft.clone();
    let served = Server::new_with_acceptor(acceptor)
        .name("api")
        .idle_timeout(IDLE)
        .run_with_graceful_shutdown(
            Patient {
                inner: routes::endpoint(app),
                outlets,
            },
            async move { soft.cancelled().await },
            Some(grace),
        );
    tokio::select! {
        done = served => done,
        () = lifecycle.hard.cancelled() => Ok(()),
    }
}
