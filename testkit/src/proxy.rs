//! A TCP proxy that does to a connection what networks do: delay, silence, resets, half-closed ends.
//!
//! It sits between a process and a server; a fault holds for the connections there are and for new ones, and
//! can be changed at any time. It runs on a thread of its own, so a test that blocks does not stop it. It
//! knows nothing of what it carries.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rand::RngExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{broadcast, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use crate::port::free_port;

/// What is read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction; more is not read.
const IN_FLIGHT: usize = 64;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// Each piece comes later by `delay` and up to `jitter`, in both directions, in order.
    Delay {
        /// At least so much later.
        delay: Duration,
        /// At most so much more.
        jitter: Duration,
    },
    /// Connections are taken and stay open; nothing is read and nothing forwarded, in both directions.
    BlackHole,
    /// Requests pass; answers are held back.
    Mute,
    /// Connections are reset, new ones as soon as they are made.
    Reset,
    /// The client sees the end of the answers; what it sends still passes.
    HalfClose,
    /// Connections are reset, new ones refused.
    Refuse,
    /// So many bytes a second in each direction of each connection.
    Throttle(u64),
}

impl Fault {
    fn ends_connections(self) -> bool {
        matches!(self, Self::Reset | Self::Refuse)
    }

    /// Whether this direction stands still.
    fn holds(self, direction: Direction) -> bool {
        self == Self::BlackHole || (self == Self::Mute && direction == Direction::Answers)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Answers,
}

/// A proxy; its connections end with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    cut: broadcast::Sender<f64>,
    open: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts a proxy before a server on 127.0.0.1.
    ///
    /// # Panics
    /// Where no port or thread can be had.
    pub fn start(upstream: u16) -> Self {
        let (fault, faults) = watch::channel(Fault::Pass);
        let (cut, _) = broadcast::channel(16);
        let open = Arc::new(AtomicUsize::new(0));
        let listener = listen();
        let address = listener.local_addr().expect("a bound socket has an address");
        let hub = Hub {
            upstream: (Ipv4Addr::LOCALHOST, upstream).into(),
            address,
            faults,
            cut: cut.clone(),
            open: open.clone(),
        };
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .expect("a runtime can be made")
                .block_on(hub.serve(listener));
        };
        let thread = thread::Builder::new().name("proxy".to_owned());
        thread.spawn(run).expect("a thread can be started");
        Self {
            address,
            fault,
            cut,
            open,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// An address of the server behind it (`postgres://user@127.0.0.1:5432/db`), led through here.
    ///
    /// # Panics
    /// Where `url` does not name the port.
    pub fn url(&self, url: &str, upstream: u16) -> String {
        let (from, to) = (format!(":{upstream}"), format!(":{}", self.port()));
        assert!(url.contains(&from), "{url} is not at port {upstream}");
        url.replacen(&from, &to, 1)
    }

    /// From now on this happens; connections notice a moment later.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// From now on nothing happens; what was held back passes.
    pub fn heal(&self) {
        self.set(Fault::Pass);
    }

    /// Resets some of the connections: each with this probability.
    pub fn cut(&self, fraction: f64) {
        // Nobody hears it where there is no connection.
        let _ = self.cut.send(fraction);
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// A listener on a port that stays ours while the proxy refuses connections.
fn listen() -> std::net::TcpListener {
    for _ in 0..20 {
        if let Ok(listener) = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())) {
            listener
                .set_nonblocking(true)
                .expect("a socket can be non-blocking");
            return listener;
        }
    }
    panic!("no port for a proxy");
}

/// What the thread works with.
struct Hub {
    upstream: SocketAddr,
    address: SocketAddr,
    faults: watch::Receiver<Fault>,
    cut: broadcast::Sender<f64>,
    open: Arc<AtomicUsize>,
}

impl Hub {
    /// Takes connections until the proxy is dropped.
    async fn serve(mut self, listener: std::net::TcpListener) {
        let mut listener = TcpListener::from_std(listener).ok();
        loop {
            let fault = *self.faults.borrow_and_update();
            if fault == Fault::Refuse {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(self.address).await.ok();
            }
            tokio::select! {
                changed = self.faults.changed() => if changed.is_err() { return },
                taken = accept(listener.as_ref()) => if let Ok((client, _)) = taken {
                    self.take(client);
                },
                // The port may be busy for a moment when it is taken up again.
                () = sleep(Duration::from_millis(20)), if listener.is_none() && fault != Fault::Refuse => {}
            }
        }
    }

    fn take(&self, client: TcpStream) {
        let (upstream, faults, cuts) = (self.upstream, self.faults.clone(), self.cut.subscribe());
        let open = Open::new(&self.open);
        tokio::spawn(async move {
            let _open = open;
            // How a connection ends is the business of its ends.
            let _ = carry(client, upstream, faults, cuts).await;
        });
    }
}

/// Counts a connection while it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Carries one connection to its end.
async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut faults: watch::Receiver<Fault>,
    cuts: broadcast::Receiver<f64>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    // A server behind a black hole is not even reached.
    let reached = match faults.wait_for(|fault| *fault != Fault::BlackHole).await {
        Ok(fault) => !fault.ends_connections(),
        Err(_) => false,
    };
    if !reached {
        return client.set_zero_linger();
    }
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = pump(Direction::Requests, from_client, to_server, faults.clone());
        let answers = pump(Direction::Answers, from_server, to_client, faults.clone());
        tokio::select! {
            ended = async { tokio::try_join!(requests, answers) } => ended.map(drop),
            () = reset(faults, cuts) => Err(io::ErrorKind::ConnectionReset.into()),
        }
    };
    // What broke on one side, or here, is a reset on both.
    if ended.is_err() {
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    ended
}

/// Resolves when the connection is to be reset.
async fn reset(mut faults: watch::Receiver<Fault>, mut cuts: broadcast::Receiver<f64>) {
    loop {
        tokio::select! {
            changed = faults.changed() => {
                if changed.is_err() || faults.borrow_and_update().ends_connections() {
                    return;
                }
            }
            cut = cuts.recv() => match cut {
                Ok(fraction) if rand::rng().random_bool(fraction.clamp(0.0, 1.0)) => return,
                _ => {}
            },
        }
    }
}

/// Carries one direction: what is read gets a time at which it is due, and is written then.
async fn pump(
    direction: Direction,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    faults: watch::Receiver<Fault>,
) -> io::Result<()> {
    let (queue, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let mut at_reader = faults.clone();
    let read = async move {
        let mut last = Instant::now();
        loop {
            let fault = *at_reader.borrow_and_update();
            let mut bytes = vec![0; chunk(fault)];
            let count = tokio::select! {
                changed = at_reader.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok(()),
                },
                count = from.read(&mut bytes), if !fault.holds(direction) => count?,
            };
            if count == 0 {
                return Ok(());
            }
            bytes.truncate(count);
            // The fault may have changed while we waited.
            let fault = *at_reader.borrow();
            last = last.max(Instant::now() + latency(fault));
            if queue.send((last, bytes)).await.is_err() {
                return Ok(());
            }
        }
    };
    let mut at_writer = faults;
    let write = async move {
        let mut open = true;
        loop {
            let piece = tokio::select! {
                piece = due.recv() => piece,
                () = half_closed(&mut at_writer, direction), if open => {
                    to.shutdown().await?;
                    open = false;
                    continue;
                }
            };
            let Some((when, bytes)) = piece else { break };
            sleep_until(when).await;
            let Some(fault) = passing(&mut at_writer, direction).await else {
                return Ok(());
            };
            if open {
                to.write_all(&bytes).await?;
            }
            if let Fault::Throttle(rate) = fault {
                sleep(Duration::from_secs_f64(bytes.len() as f64 / rate.max(1) as f64)).await;
            }
        }
        // The other side has said its last word: so do we.
        if open { to.shutdown().await } else { Ok(()) }
    };
    tokio::try_join!(read, write).map(|((), ())| ())
}

/// The fault that holds once the direction does not stand still; none when the proxy is gone.
async fn passing(faults: &mut watch::Receiver<Fault>, direction: Direction) -> Option<Fault> {
    let fault = faults.wait_for(|fault| !fault.holds(direction)).await;
    fault.ok().map(|fault| *fault)
}

/// Resolves when the answers are to end.
async fn half_closed(faults: &mut watch::Receiver<Fault>, direction: Direction) {
    let wanted = |fault: &Fault| *fault == Fault::HalfClose && direction == Direction::Answers;
    if faults.wait_for(wanted).await.is_err() {
        std::future::pending().await
    }
}

/// How much to read at once: a throttled connection goes on smoothly.
fn chunk(fault: Fault) -> usize {
    match fault {
        Fault::Throttle(rate) => usize::try_from(rate / 20).unwrap_or(CHUNK).clamp(1, CHUNK),
        _ => CHUNK,
    }
}

fn latency(fault: Fault) -> Duration {
    match fault {
        Fault::Delay { delay, jitter } => delay + jitter.mul_f64(rand::rng().random_range(0.0..=1.0)),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
