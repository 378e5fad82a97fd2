//! Tests of the proxy: each fault, on a connection that is there and on a new one.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
/// Long enough that something that should come has come, short enough to wait for nothing.
const QUIET: Duration = Duration::from_millis(150);

/// A server that sends everything back, behind a proxy.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Proxy::start(port)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address())
        .await
        .expect("the proxy listens")
}

/// Sends and waits for the same.
async fn talk(stream: &mut TcpStream, text: &[u8]) -> io::Result<Duration> {
    let began = Instant::now();
    stream.write_all(text).await?;
    let mut back = vec![0; text.len()];
    match timeout(LIMIT, stream.read_exact(&mut back)).await {
        Ok(read) => read?,
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    assert_eq!(back, text);
    Ok(began.elapsed())
}

/// Whether nothing comes for a while.
async fn silent(stream: &mut TcpStream) -> bool {
    timeout(QUIET, stream.read_u8()).await.is_err()
}

/// What reading ends with.
async fn end(stream: &mut TcpStream) -> io::Result<usize> {
    timeout(LIMIT, stream.read(&mut [0; 16])).await.expect("it ends")
}

#[tokio::test]
async fn a_healthy_proxy_changes_nothing_and_passes_the_end_on() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    let (mut from, mut to) = stream.split();
    let mut back = vec![0; large.len()];
    let (sent, read) = tokio::join!(to.write_all(&large), from.read_exact(&mut back));
    sent.and(read.map(drop)).expect("it passes");
    assert_eq!(back, large);
    assert_eq!(proxy.connections(), 1);
    stream.shutdown().await.expect("it was open");
    assert_eq!(end(&mut stream).await.expect("a good end"), 0);
}

#[tokio::test]
async fn a_delay_holds_for_old_and_new_connections_and_ends() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    talk(&mut old, b"before").await.expect("it passes");
    proxy.set(Fault::Delay {
        delay: Duration::from_millis(60),
        jitter: Duration::from_millis(20),
    });
    let mut new = connect(&proxy).await;
    for stream in [&mut old, &mut new] {
        let took = talk(stream, b"slow").await.expect("it passes");
        assert!(took >= Duration::from_millis(120), "there and back: {took:?}");
    }
    proxy.heal();
    let took = talk(&mut old, b"fast").await.expect("it passes");
    assert!(took < Duration::from_millis(120), "{took:?}");
}

#[tokio::test]
async fn a_black_hole_takes_everything_and_gives_it_back_when_healed() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    talk(&mut old, b"before").await.expect("it passes");
    proxy.set(Fault::BlackHole);
    let mut new = connect(&proxy).await;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"x").await.expect("the kernel takes it");
        assert!(silent(stream).await);
    }
    proxy.heal();
    for stream in [&mut old, &mut new] {
        let back = timeout(LIMIT, stream.read_u8()).await.expect("in time");
        assert_eq!(back.expect("it comes"), b'x');
    }
}

#[tokio::test]
async fn a_mute_server_hears_and_does_not_answer() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    talk(&mut stream, b"before").await.expect("it passes");
    proxy.set(Fault::Mute);
    stream.write_all(b"x").await.expect("it passes");
    assert!(silent(&mut stream).await);
    proxy.heal();
    assert_eq!(stream.read_u8().await.expect("it comes"), b'x');
}

#[tokio::test]
async fn resets_hit_old_and_new_connections() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    talk(&mut old, b"before").await.expect("it passes");
    proxy.set(Fault::Reset);
    let kind = |end: io::Result<usize>| end.expect_err("no good end").kind();
    assert_eq!(kind(end(&mut old).await), io::ErrorKind::ConnectionReset);
    // A reset may be faster than the end of connecting.
    let new = match TcpStream::connect(proxy.address()).await {
        Ok(mut new) => end(&mut new).await,
        Err(e) => Err(e),
    };
    assert_eq!(kind(new), io::ErrorKind::ConnectionReset);
    proxy.heal();
    let mut healed = connect(&proxy).await;
    talk(&mut healed, b"after").await.expect("it passes");
    proxy.cut(0.0);
    talk(&mut healed, b"still").await.expect("nobody was cut");
    proxy.cut(1.0);
    assert_eq!(kind(end(&mut healed).await), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_closed_connection_ends_for_the_client_only() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    talk(&mut old, b"before").await.expect("it passes");
    proxy.set(Fault::HalfClose);
    assert_eq!(end(&mut old).await.expect("a good end"), 0);
    old.write_all(b"heard")
        .await
        .expect("the other direction is open");
    assert_eq!(proxy.connections(), 1);
    let mut new = connect(&proxy).await;
    assert_eq!(end(&mut new).await.expect("a good end"), 0);
}

#[tokio::test]
async fn a_refusing_proxy_comes_back_at_the_same_address() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    talk(&mut old, b"before").await.expect("it passes");
    proxy.set(Fault::Refuse);
    assert!(end(&mut old).await.is_err());
    let refused = async {
        while let Ok(stream) = TcpStream::connect(proxy.address()).await {
            drop(stream);
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, refused).await.expect("nobody listens");
    proxy.heal();
    let back = async {
        loop {
            if let Ok(stream) = TcpStream::connect(proxy.address()).await {
                break stream;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let mut back = timeout(LIMIT, back).await.expect("it listens again");
    talk(&mut back, b"after").await.expect("it passes");
}

#[tokio::test]
async fn a_throttled_connection_is_as_slow_as_asked() {
    let proxy = echo().await;
    proxy.set(Fault::Throttle(20_000));
    let mut stream = connect(&proxy).await;
    let took = talk(&mut stream, &[7; 10_000]).await.expect("it passes");
    println!("10,000 bytes at 20,000 a second took {took:?}");
    assert!(took >= Duration::from_millis(400), "{took:?}");
}
