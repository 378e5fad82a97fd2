//! S14 on the API's own port: clients that send their request byte by byte hold nothing that others need.
//! Those that take no byte of an answer stand with the crate `api` (`serving`) and the fleet (`slow_readers`).

use std::time::{Duration, Instant};

use lamplighter_testkit::{
    process,
    scenario::sized,
    server::{Options, Server},
};
use reqwest::Method;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How a client is slow.
#[derive(Debug, Clone, Copy)]
enum Slow {
    /// Its head never ends.
    Head,
    /// Its body never ends.
    Body,
}

impl Slow {
    /// Opens a connection and keeps it busy in its way, until the server has enough.
    async fn be(self, address: String, token: String) {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let begun = format!("POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n");
        let (first, drip): (_, &[u8]) = match self {
            Self::Head => (begun, b"X-A: b\r\n"),
            Self::Body => (
                format!("{begun}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{"),
                b" ",
            ),
        };
        let mut sent = stream.write_all(first.as_bytes()).await;
        while sent.is_ok() {
            sleep(Duration::from_millis(200)).await;
            sent = stream.write_all(drip).await;
        }
    }
}

/// The 99th of a hundred times that good requests take, milliseconds.
async fn p99(server: &Server, requests: usize) -> f64 {
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let began = Instant::now();
        let answer = server.api().call(Method::GET, "/v1/models", None).await;
        assert_eq!(answer.0.as_u16(), 200);
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    times[requests * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_hold_nothing_that_others_need() {
    let (clients, requests) = (1000, sized(200, 1000));
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
        .config("[server]\nread_timeout_seconds = 4\n")
        .start()
        .await;
    let alone = p99(&server, requests).await;
    let before = process::open_files(server.pid()).expect("it runs");
    for slow in [Slow::Head, Slow::Body] {
        let mut crowd = JoinSet::new();
        for _ in 0..clients {
            crowd.spawn(slow.be(server.address(), server.token().to_owned()));
        }
        let among = p99(&server, requests).await;
        // Each of them is cut: when all are, nothing of them is left.
        let all_cut = timeout(Duration::from_secs(30), async {
            while crowd.join_next().await.is_some() {}
        });
        let cut = all_cut.await.is_ok();
        println!(
            "S14 {slow:?}: {clients} clients, p99 of others {among:.1} ms (alone {alone:.1}), cut {cut}"
        );
        assert!(among < 500.0 + alone, "{slow:?}: {among} ms, alone {alone}");
        assert!(cut, "{slow:?}: some are still connected");
    }
    let after = process::open_files(server.pid()).expect("it runs");
    println!("S14: {before} descriptors before, {after} after");
    assert!(after < before + 20, "{before} descriptors before, {after} after");
}
