//! Large bodies, which only jobs with pictures and sounds may have: what is taken, what is refused, and what
//! memory that takes.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use lamplighter_testkit::server::{Options, Server};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peak_kb;

/// A model of pictures whose files are nowhere: its jobs are taken, and wait.
const CATALOG: &str = r#"
[[model]]
id = "pictures"
task = "ocr"
family = "easyocr"
sources = ["path:/nowhere"]
files = [{ path = "x", sha256 = "00", size = 1 }]
"#;

const MIB: usize = 1 << 20;

async fn start(config: &str) -> (Server, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("models.toml"), CATALOG).expect("written");
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
        .data_dir(folder.path())
        .models(&["echo", "pictures"])
        .config(config)
        .start()
        .await;
    (server, folder)
}

/// A job for a model, whose body has this many bytes.
fn body(model: &str, bytes: usize) -> String {
    let head = format!(r#"{{"model":"{model}","input":{{"image":"data:image/png;base64,"#);
    let tail = r#""}}"#;
    let room = bytes - head.len() - tail.len();
    let digits = room / 4 * 4;
    // Blanks after the end of the document.
    format!("{head}{}{tail}{}", "A".repeat(digits), " ".repeat(room - digits))
}

async fn post(server: &Server, body: String) -> (StatusCode, Value) {
    let sent = server
        .request(Method::POST, "/v1/jobs")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    let status = sent.status();
    (status, sent.json().await.expect("JSON"))
}

#[tokio::test]
async fn a_picture_may_be_large_and_nothing_else() {
    let (server, _folder) = start("").await;
    for (model, bytes, status) in [
        ("pictures", 16 * MIB - 8192, 202),
        ("echo", 256 * 1024, 202),
        ("echo", 256 * 1024 + 1, 413),
        ("echo", 16 * MIB, 413),
        ("none", 10 * MIB, 422),
    ] {
        let (got, answer) = post(&server, body(model, bytes)).await;
        assert_eq!(got.as_u16(), status, "{model} {bytes}: {answer}");
    }
    // More than that is not even read: whoever sends it hears so, or is cut off.
    let far = server
        .request(Method::POST, "/v1/jobs")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body("pictures", 16 * MIB + 1))
        .send()
        .await;
    assert!(far.is_err() || far.is_ok_and(|answer| answer.status().as_u16() == 413));
    let other = server
        .request(Method::POST, "/v1/tokens")
        .header(header::CONTENT_TYPE, "application/json")
        .body(" ".repeat(256 * 1024 + 1))
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        other.status().as_u16(),
        413,
        "other operations take no more than before"
    );
}

#[tokio::test]
async fn a_large_input_is_kept_and_repeated_but_not_shown() {
    let (server, _folder) = start("").await;
    let (status, job) = post(&server, body("pictures", 3 * MIB)).await;
    assert_eq!(status.as_u16(), 202, "{job}");
    assert_eq!(job["input"], Value::Null, "not in the answer");
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let (_, seen) = server.get(&path).await;
    assert_eq!(seen["input"], Value::Null, "nor later");
    assert_eq!(
        server
            .post(&format!("{path}/cancel"), &json!({}))
            .await
            .0
            .as_u16(),
        200
    );
    let (status, again) = server.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(status.as_u16(), 202, "the whole input is there: {again}");
    let (_, small) = post(&server, body("pictures", 100 * 1024)).await;
    assert!(
        small["input"]["image"].is_string(),
        "a small one is shown: {}",
        small["id"]
    );
}

#[tokio::test]
async fn a_large_body_of_many_values_is_refused_before_it_takes_memory() {
    let (server, _folder) = start("").await;
    assert_eq!(post(&server, body("pictures", 15 * MIB)).await.0.as_u16(), 202);
    let before = peak_kb(&server);
    let many = format!(r#"{{"model":"pictures","input":[{}0]}}"#, "0,".repeat(7 * MIB));
    let keys: String = (0..1_000_000).map(|n| format!(r#""{n}":0,"#)).collect();
    let keys = format!(r#"{{"model":"pictures","input":{{{keys}"a":0}}}}"#);
    for hostile in [many, keys] {
        let (status, problem) = post(&server, hostile).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (400, &json!("malformed_request")),
            "{problem}"
        );
    }
    let more = peak_kb(&server).saturating_sub(before) / 1024;
    println!("S13 large bodies: 16 MiB of values refused, peak memory +{more} MiB over that of a picture");
    assert!(more <= 32, "{more} MiB");
}

/// Connects from an address of this machine.
async fn connect(from: u8, to: SocketAddr) -> std::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from)), 0);
    socket.bind(from).expect("all of 127/8 is this machine");
    let stream = socket.connect(to).await.expect("it listens");
    let stream = stream.into_std().expect("a stream");
    stream.set_nonblocking(false).expect("it can wait");
    stream
}

/// Sends the head of a large job and so much of its body; gives the status if it was answered within a moment, 0 if it was cut off.
fn send_part(stream: &mut std::net::TcpStream, token: &str, whole: &str, part: usize) -> Option<u16> {
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        whole.len()
    );
    let sent = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&whole.as_bytes()[..part]));
    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
    let mut start = [0; 12];
    match stream.read_exact(&mut start) {
        Ok(()) => std::str::from_utf8(&start[9..]).ok()?.parse().ok(),
        Err(error) if sent.is_err() || error.kind() == std::io::ErrorKind::ConnectionReset => Some(0),
        Err(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_share_their_memory() {
    // Room for four whole ones, of which one address has two.
    let (server, _folder) = start("[server]\nbody_memory_bytes = 67108864\n").await;
    let to: SocketAddr = server
        .address()
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let whole = body("pictures", 15 * MIB);
    let token = server.token().to_owned();
    let mut slow = Vec::new();
    for from in [2, 3] {
        for _ in 0..2 {
            let mut stream = connect(from, to).await;
            assert_eq!(
                send_part(&mut stream, &token, &whole, 14 * MIB),
                None,
                "its rest is waited for"
            );
            slow.push(stream);
        }
    }
    let mut one_more = connect(2, to).await;
    let answer = send_part(&mut one_more, &token, &whole, 14 * MIB);
    assert!(
        matches!(answer, Some(503 | 0)),
        "one address has half at most: {answer:?}"
    );
    let mut one_more = connect(4, to).await;
    let answer = send_part(&mut one_more, &token, &whole, 14 * MIB);
    assert!(matches!(answer, Some(503 | 0)), "all is taken: {answer:?}");
    // Small ones need none of it.
    let small = server.post_job(&json!({"model": "echo", "input": {}})).await;
    assert_eq!(server.wait(&small).await["status"], "succeeded");
    for mut stream in slow {
        stream
            .write_all(&whole.as_bytes()[14 * MIB..])
            .expect("it is read");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("set");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        assert_eq!(&start[9..], b"202");
    }
    let peak = peak_kb(&server) / 1024;
    println!("large bodies: four of 15 MiB at once, peak memory {peak} MiB");
    // It comes back.
    let mut again = 0;
    while post(&server, body("pictures", 15 * MIB)).await.0.as_u16() != 202 {
        again += 1;
        assert!(again < 100, "the room does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(peak < 700, "{peak} MiB");
}
