//! The API on a socket: stalled clients are cut, a stop is quick and orderly.

mod support;

use std::time::{Duration, Instant};

use lamplighter_shared::{
    event::{EventId, JobEvent},
    events::Events,
    id::JobId,
};
use serde_json::json;
use support::World;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

async fn serve(world: &World) -> (std::net::SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (state, lifecycle) = (world.state.clone(), world.lifecycle.clone());
    (
        address,
        tokio::spawn(lamplighter_api::serve(listener, state, lifecycle)),
    )
}

/// Opens a stream and reads up to its first `status`.
async fn stream(world: &World, address: std::net::SocketAddr, job: JobId) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "GET /v1/jobs/{job}/events HTTP/1.1\r\nhost: test\r\nauthorization: {}\r\n\r\n",
        world.bearer()
    );
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains("event: status") {
        let n = socket.read(&mut buffer).await.expect("an answer");
        assert!(n > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    socket
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_and_leaves_nothing_behind() {
    let world = World::with(|config| {
        config.server.write_timeout_seconds = 1;
        config.server.streams_per_owner = 2;
    })
    .await;
    let (address, _server) = serve(&world).await;
    let job = world.echo().await;
    let run = world.claim().await;
    let stalled = stream(&world, address, job).await;
    let mut reading = stream(&world, address, job).await;
    let drain = tokio::spawn(async move {
        let mut sink = vec![0; 1 << 16];
        while reading.read(&mut sink).await.is_ok_and(|n| n > 0) {}
    });
    // More than every buffer between the two holds.
    let chunk = json!("x".repeat(20_000));
    let started = Instant::now();
    let mut seq = 0;
    let free = loop {
        for _ in 0..50 {
            seq += 1;
            let id = EventId { epoch: run.1, seq };
            world
                .events
                .publish(
                    job,
                    vec![JobEvent::Output {
                        id,
                        index: seq - 1,
                        chunk: chunk.clone(),
                    }],
                )
                .await;
            tokio::task::yield_now().await;
        }
        // Both slots were taken; one is free once the stalled client is gone.
        if let Ok(third) =
            tokio::time::timeout(Duration::from_millis(200), try_stream(&world, address, job)).await
            && third
        {
            break started.elapsed();
        }
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the stalled client was not cut"
        );
    };
    println!("stalled client cut after {free:?}, write timeout 1 s, {seq} events of 20 kB");
    assert!(!drain.is_finished(), "the client that reads was cut too");
    drop(stalled);
    drain.abort();
}

/// Whether a stream is granted now.
async fn try_stream(world: &World, address: std::net::SocketAddr, job: JobId) -> bool {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "GET /v1/jobs/{job}/events HTTP/1.1\r\nhost: test\r\nauthorization: {}\r\n\r\n",
        world.bearer()
    );
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.expect("a status line");
    &head == b"HTTP/1.1 200"
}

#[tokio::test]
async fn a_stop_ends_streams_and_waits_at_once() {
    let world = World::new().await;
    let (address, server) = serve(&world).await;
    let job = world.echo().await;
    let mut streaming = stream(&world, address, job).await;
    let mut waiting = TcpStream::connect(address).await.expect("a connection");
    let body = json!({"model": "echo", "input": {}}).to_string();
    let request = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: test\r\nauthorization: {}\r\nprefer: wait=60\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        world.bearer(),
        body.len()
    );
    waiting.write_all(request.as_bytes()).await.expect("sent");
    while world.stored().await < 2 {
        tokio::task::yield_now().await;
    }
    let started = Instant::now();
    world.lifecycle.soft.cancel();
    server.await.expect("no panic").expect("an orderly end");
    let took = started.elapsed();
    println!("stopped in {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    let mut rest = String::new();
    streaming
        .read_to_string(&mut rest)
        .await
        .expect("the rest of the stream");
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "the stream ended in an orderly way: {rest:?}"
    );
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_is_cut_and_one_that_waits_is_not() {
    let world = World::with(|config| config.server.read_timeout_seconds = 1).await;
    let (address, _server) = serve(&world).await;
    let auth = format!("authorization: {}\r\n", world.bearer());
    let head = "GET /healthz HTTP/1.1\r\nhost: test\r\n".to_owned();
    let body = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: test\r\n{auth}content-type: application/json\r\ncontent-length: 9999\r\n\r\n{{"
    );
    for (what, start, more) in [("head", head, "x: y\r\n"), ("body", body, " ")] {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.write_all(start.as_bytes()).await.expect("sent");
        let begun = Instant::now();
        // What a cut looks like depends on the moment: an answer, the end, or a reset.
        while socket.write_all(more.as_bytes()).await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: never cut");
            let mut answer = [0; 1024];
            let read = tokio::time::timeout(Duration::from_millis(50), socket.read(&mut answer));
            if read.await.is_ok() {
                break;
            }
        }
        println!("{what}: cut after {:?}", begun.elapsed());
    }
    let input = r#"{"model":"echo","input":{}}"#;
    let request = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: test\r\n{auth}prefer: wait=2\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{input}",
        input.len()
    );
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test]
async fn clients_that_never_end_their_bodies_keep_nobody_out() {
    let world = World::with(|config| config.server.max_in_flight = 2).await;
    let (address, _server) = serve(&world).await;
    let body = r#"{"model":"echo","input":{}}"#;
    let auth = format!("host: test\r\nauthorization: {}\r\n", world.bearer());
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\n{auth}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut slow = Vec::new();
    let begun = Instant::now();
    while slow.len() < 6 {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.write_all(head.as_bytes()).await.expect("sent");
        socket.write_all(&body.as_bytes()[..5]).await.expect("sent");
        // One that is turned away hears so at once; it is no slow one, then.
        let mut first = [0];
        let answered = tokio::time::timeout(Duration::from_millis(20), socket.read(&mut first)).await;
        if answered.is_err() {
            slow.push(socket);
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{} got in", slow.len());
    }
    println!(
        "6 slow ones at once within a bound of 2 after {:?}",
        begun.elapsed()
    );
    // Others get through meanwhile.
    let ask = format!("GET /v1/jobs HTTP/1.1\r\n{auth}connection: close\r\n\r\n");
    loop {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.write_all(ask.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer");
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "nobody gets in: {answer}"
        );
    }
    // They are let go on when they have said all, where there is room then.
    for mut socket in slow {
        socket.write_all(&body.as_bytes()[5..]).await.expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    assert_eq!(world.stored().await, 6);
}

/// Its acknowledgements of pings would keep a request open that never gets its body.
#[tokio::test]
async fn http_2_is_not_spoken() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let world = World::new().await;
    let (address, _server) = serve(&world).await;
    for pieces in [1, PREFACE.len()] {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        for piece in PREFACE.chunks(PREFACE.len() / pieces) {
            socket.write_all(piece).await.expect("sent");
        }
        // It may be closed before.
        let _ = socket.write_all(SETTINGS).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer));
        // Closed with what came unread: a reset, where it comes before the end.
        let _ = read.await.expect("the connection ends at once");
        let frame = answer.get(3).copied();
        assert_ne!(frame, Some(4), "settings of HTTP/2 came back: {answer:?}");
        println!(
            "S14 HTTP/2 in {pieces} piece(s): refused, {} bytes back",
            answer.len()
        );
    }
}
