//! S14 through nginx: a thousand slow clients from a few addresses keep nobody else waiting, and are cut. On the
//! API's own port: `bad_input`, `slow`; whoever does not read a stream: `fleet`, `slow_readers`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Mutex,
    task::JoinSet,
    time::timeout,
};

use crate::{nginx::Nginx, stack::Stack};

const CLIENTS: usize = 1000;
/// Each has a quarter of them: more than nginx lets one address have.
const ADDRESSES: usize = 4;
/// nginx's `limit_conn`.
const OF_ONE_ADDRESS: usize = 200;

/// Crowds at the same time would measure each other.
static ONE: Mutex<()> = Mutex::const_new(());

/// How a client is slow.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slow {
    /// Its head never ends.
    Head,
    /// Its body never ends.
    Body,
}

/// How a slow client ended.
#[derive(Debug, PartialEq)]
enum End {
    /// Told that there are too many of its address.
    Refused,
    /// Cut.
    Cut,
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(SocketAddr::new(IpAddr::V4(from), 0))
        .expect("all of 127/8 is this machine");
    socket.connect(to).await.expect("it listens")
}

impl Slow {
    fn begins(self, token: &str) -> String {
        let head = format!("Host: x\r\nAuthorization: Bearer {token}\r\n");
        match self {
            Self::Head => format!("POST /v1/jobs HTTP/1.1\r\n{head}"),
            Self::Body => format!(
                "POST /v1/jobs HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{"
            ),
        }
    }

    /// Keeps a connection busy in its way, until nginx has enough.
    async fn be(self, number: usize, to: SocketAddr, token: String) -> End {
        let from = Ipv4Addr::new(127, 0, 1, (number % ADDRESSES) as u8 + 1);
        let mut stream = connect(from, to).await;
        let mut sent = stream.write_all(self.begins(&token).as_bytes()).await;
        let mut start = [0; 12];
        loop {
            let read = timeout(Duration::from_millis(200), stream.peek(&mut start)).await;
            match read {
                // 429: it comes at once, and whoever is refused is not held.
                Ok(Ok(12)) if &start[9..] == b"429" => return End::Refused,
                // An answer: 408 or the end.
                Ok(_) => return End::Cut,
                Err(_) => {}
            }
            if sent.is_err() {
                return End::Cut;
            }
            sent = match self {
                Self::Head => stream.write_all(b"X-A: b\r\n").await,
                Self::Body => stream.write_all(b" ").await,
            };
        }
    }
}

/// The 99th of a hundred times that requests of somebody else take, milliseconds; each on a connection of its own.
async fn p99(to: SocketAddr, token: &str, requests: usize) -> f64 {
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let began = Instant::now();
        let mut stream = connect(Ipv4Addr::new(127, 0, 0, 2), to).await;
        let ask = format!(
            "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.expect("it is taken");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        assert!(
            answer.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    times[requests * 99 / 100]
}

/// Lets a crowd be slow at an nginx of its own, measures the others meanwhile, and gives how those ended that
/// did within `patience`.
async fn crowd(slow: Slow, patience: Duration) -> Vec<End> {
    let _one = ONE.lock().await;
    let stack = Stack::shared();
    let folder = stack.folder().join(format!("nginx-{slow:?}"));
    let nginx: Nginx = stack.front(&folder, &[("LAMPLIGHTER_NGINX_RATE", "50r/s")]);
    let to: SocketAddr = nginx.address().parse().expect("an address");
    let token = stack.through_nginx().token().to_owned();
    // At the usual rate of one address, which the tests of one stack do not keep to otherwise.
    let requests = 100;
    let alone = p99(to, &token, requests).await;
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(slow.be(number, to, token.clone()));
    }
    let among = p99(to, &token, requests).await;
    let mut ends = Vec::new();
    while ends.len() < CLIENTS {
        let left = patience.saturating_sub(began.elapsed());
        let Ok(Some(end)) = timeout(left, clients.join_next()).await else {
            break;
        };
        ends.push(end.expect("no panic"));
    }
    let after = p99(to, &token, requests).await;
    let refused = ends.iter().filter(|end| **end == End::Refused).count();
    println!(
        "S14 nginx {slow:?}: {CLIENTS} clients, p99 of others {among:.1} ms (alone {alone:.1}, after {after:.1}); \
         {refused} refused, {} cut after {:.1} s",
        ends.len() - refused,
        began.elapsed().as_secs_f64()
    );
    assert!(among < 500.0 + alone, "{slow:?}: {among} ms, alone {alone}");
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_are_cut_and_keep_nobody_waiting() {
    let ends = crowd(Slow::Head, Duration::from_secs(30)).await;
    assert_eq!(ends.len(), CLIENTS, "some are still connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_keep_nobody_waiting() {
    // As long as bytes come nginx waits; but no address has more than its share of connections.
    let ends = crowd(Slow::Body, Duration::from_secs(3)).await;
    let too_many = CLIENTS - ADDRESSES * OF_ONE_ADDRESS;
    assert!(ends.len() >= too_many, "{} of {too_many} refused", ends.len());
}

/// A body that stops in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_is_cut() {
    let to: SocketAddr = Stack::shared().nginx().address().parse().expect("an address");
    let token = Stack::shared().through_nginx().token().to_owned();
    let mut stream = connect(Ipv4Addr::new(127, 0, 0, 3), to).await;
    stream
        .write_all(Slow::Body.begins(&token).as_bytes())
        .await
        .expect("it is taken");
    let began = Instant::now();
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(18), stream.read_to_end(&mut rest)).await;
    println!(
        "S14 nginx: a body that stops is cut after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    assert!(ended.is_ok(), "it is still open");
}
