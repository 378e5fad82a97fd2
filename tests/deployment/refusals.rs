//! What nginx refuses by itself, and in which form: the API's own, whoever says no.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use lamplighter_shared::error::ErrorCode;
use lamplighter_testkit::http_client;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::stack::Stack;

/// A problem document like those of the API.
async fn problem(response: Response, code: ErrorCode) -> Value {
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"]
        .to_str()
        .expect("text")
        .to_owned();
    let id = response.headers()["x-request-id"]
        .to_str()
        .expect("text")
        .to_owned();
    let problem: Value = response.json().await.expect("JSON");
    assert_eq!(kind, "application/problem+json");
    assert_eq!(status, code.status(), "{problem}");
    let fields: Vec<&String> = problem.as_object().expect("an object").keys().collect();
    let mut expected = [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(problem["code"], code.as_str());
    let registered = match code {
        ErrorCode::RateLimited => Some("quota-exceeded"),
        ErrorCode::Unavailable => Some("temporary-reduced-capacity"),
        _ => None,
    };
    let kind = match registered {
        Some(name) => format!("https://iana.org/assignments/http-problem-types#{name}"),
        None => format!("/docs/errors#{code}"),
    };
    assert_eq!(problem["type"], kind);
    assert_eq!(problem["title"], code.title());
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], id);
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_the_inside_are_not_there_however_they_are_spelt() {
    let stack = Stack::shared();
    let address = stack.nginx().address();
    for path in [
        "/metrics",
        "/metrics/",
        "/metrics?x=1",
        "//metrics",
        "/%6detrics",
        "/METRICS",
        "/v1/../metrics",
        "/./metrics",
        "/internal",
        "/internal/x",
        "/v1/%2e%2e/metrics",
        "/metrics/../metrics",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = raw(
                &address,
                &format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            );
            assert!(answer.starts_with("HTTP/1.1 404 "), "{method} {path}: {answer}");
            assert!(!answer.contains("lamplighter_"), "{method} {path}: {answer}");
        }
    }
    let http = http_client();
    let inside = stack.directly("api-1").url("/metrics");
    let inside = http.get(inside).send().await.expect("an answer");
    let inside = inside.text().await.expect("text");
    assert!(
        inside.contains("lamplighter_"),
        "it is there past nginx: {inside}"
    );
    let api = stack.through_nginx();
    let refused = http.get(api.url("/metrics")).send().await.expect("an answer");
    assert_eq!(
        problem(refused, ErrorCode::NotFound).await["instance"],
        "/metrics"
    );
    // What only begins alike is the API's business.
    let other = http.get(api.url("/metricsx")).send().await.expect("an answer");
    assert_eq!(other.status().as_u16(), 404);
    let reached = |path: &str| {
        let line = stack.nginx().logged(&[&format!("\"path\":\"{path}\"")]);
        !line.contains("\"upstream\":\"\"")
    };
    assert_eq!((reached("/metrics"), reached("/metricsx")), (false, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_cap_never_reaches_an_api() {
    let stack = Stack::shared();
    let api = stack.through_nginx();
    let sized = |size: usize| json!({"model": "echo", "input": {"text": "x".repeat(size)}});
    let send = |size| {
        api.request(Method::POST, "/v1/jobs")
            .json(&sized(size))
            .header("x-request-id", format!("size-{size}"))
            .send()
    };
    // Over the cap of the model, and far below that of pictures: the API says so itself, and its answer passes through.
    let near = send(256 * 1024).await.expect("an answer");
    let near = problem(near, ErrorCode::PayloadTooLarge).await;
    let far = send(18 * 1024 * 1024).await.expect("an answer");
    let far = problem(far, ErrorCode::PayloadTooLarge).await;
    assert_eq!(
        (&near["instance"], &far["instance"]),
        (&json!("/v1/jobs"), &json!("/v1/jobs"))
    );
    let fits = send(200 * 1024).await.expect("an answer");
    assert_eq!(fits.status().as_u16(), 202);
    for (size, reaches) in [(256 * 1024, true), (18 * 1024 * 1024, false), (200 * 1024, true)] {
        let line = stack
            .nginx()
            .logged(&[&format!("\"request_id\":\"size-{size}\"")]);
        assert_eq!(!line.contains("\"upstream\":\"\""), reaches, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    let stack = Stack::shared();
    let folder = stack.folder().join("nginx-slow");
    let slow = stack.front(
        &folder,
        &[
            ("LAMPLIGHTER_NGINX_RATE", "1r/s"),
            ("LAMPLIGHTER_NGINX_BURST", "3"),
        ],
    );
    let api = stack.api_at(&slow.address());
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let response = api
            .request(Method::GET, "/v1/models")
            .send()
            .await
            .expect("an answer");
        statuses.push(response.status().as_u16());
        if response.status().as_u16() == 429 {
            let again = response.headers()["retry-after"].to_str().expect("text");
            assert!(
                again
                    .parse::<u32>()
                    .is_ok_and(|seconds| (1..=60).contains(&seconds)),
                "{again}"
            );
            problem(response, ErrorCode::RateLimited).await;
        }
    }
    println!("{statuses:?}");
    assert_eq!(statuses[..4], [200; 4]);
    assert!(statuses[4..].contains(&429), "{statuses:?}");
    // Posts are counted, too, though they go another way.
    let post = api.post("/v1/jobs", &json!({"model": "echo", "input": {}})).await;
    assert_eq!(post.0.as_u16(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_address_are_counted() {
    let stack = Stack::shared();
    let folder = stack.folder().join("nginx-few");
    let few = stack.front(&folder, &[("LAMPLIGHTER_NGINX_STREAMS", "2")]);
    let api = stack.api_at(&few.address());
    let job = api
        .post_job(&json!({"model": "echo", "input": {"sleep_ms": 2000}}))
        .await;
    let id = job["id"].as_str().expect("an id");
    let one = api.events(id, None).await.expect("a stream");
    let two = api.events(id, None).await.expect("a stream");
    let three = api.events(id, None).await;
    assert!(three.is_err_and(|e| e.to_string().starts_with("429")));
    assert_eq!(api.get_job(id).await["id"], job["id"], "other requests go on");
    drop((one, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_each_protecting_header_once() {
    let stack = Stack::shared();
    let (api, http) = (stack.through_nginx(), http_client());
    for (path, from) in [
        ("/healthz", "the API"),
        ("/nothing", "the API"),
        ("/metrics", "nginx"),
    ] {
        let response = http.get(api.url(path)).send().await.expect("an answer");
        for name in [
            "cache-control",
            "content-security-policy",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "permissions-policy",
            "referrer-policy",
            "x-content-type-options",
            "x-frame-options",
            "x-request-id",
        ] {
            let values: Vec<_> = response.headers().get_all(name).iter().collect();
            assert_eq!(values.len(), 1, "{path} ({from}): {name}: {values:?}");
        }
        assert_eq!(response.headers()["server"], "nginx", "without its version");
        assert!(
            !response.headers().contains_key("strict-transport-security"),
            "this is no TLS"
        );
    }
}

#[test]
fn what_is_no_request_is_refused_and_a_slow_one_cut() {
    let address = Stack::shared().nginx().address();
    for nonsense in [
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(20_000)),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(60_000)),
    ] {
        let answer = raw(&address, &nonsense);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{:.60}: {answer}", nonsense);
        assert!(answer.contains("\"code\":\"malformed_request\""), "{answer}");
        assert!(!answer.contains("<html"), "{answer}");
    }
    // A head that never ends.
    let mut stream = TcpStream::connect(&address).expect("nginx listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(18)))
        .expect("a socket");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        .expect("it is taken");
    let started = Instant::now();
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    println!(
        "a request that never ends was cut after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    let timed_out = |e: &std::io::Error| {
        matches!(
            e.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        )
    };
    assert!(!ended.as_ref().is_err_and(timed_out), "it is still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_hides_in_another_request() {
    let stack = Stack::shared();
    let api = stack.through_nginx();
    let job = api.post_job(&json!({"model": "echo", "input": {}})).await;
    api.wait(&job).await;
    let canary = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let owner = format!("Host: x\r\nAuthorization: Bearer {}\r\n", api.token());
    let hidden = format!("DELETE {canary} HTTP/1.1\r\n{owner}Connection: close\r\n\r\n");
    let post =
        format!("POST /v1/jobs HTTP/1.1\r\n{owner}Connection: close\r\nContent-Type: application/json\r\n");
    let (length, chunk) = (hidden.len(), format!("{:x}", hidden.len()));
    let cases = [
        format!(
            "{post}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
            length + 5
        ),
        format!(
            "{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunk}\r\n{hidden}\r\n0\r\n\r\n"
        ),
        format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n{chunk}\r\n{hidden}\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{hidden}"),
    ];
    for request in &cases {
        let answer = raw(&stack.nginx().address(), request);
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request}: {answer}");
        assert!(
            answer.starts_with("HTTP/1.1 4") && !answer.contains("<html"),
            "{request}: {answer}"
        );
        assert_eq!(
            api.get(&canary).await.0.as_u16(),
            200,
            "{request}: the canary is gone"
        );
    }
    println!(
        "S15 nginx: {0} requests, {0} answers, canary moved 0 times",
        cases.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_about_people_are_short() {
    let stack = Stack::shared();
    let api = stack.through_nginx();
    for path in ["/v1/session", "/v1/account/register", "/v1/setup"] {
        let request = api
            .request(Method::POST, path)
            .json(&json!({"email": "x".repeat(17 * 1024)}));
        let request = request.header("x-request-id", format!("long{}", path.replace('/', "-")));
        problem(
            request.send().await.expect("an answer"),
            ErrorCode::PayloadTooLarge,
        )
        .await;
        let line = stack
            .nginx()
            .logged(&[&format!("\"request_id\":\"long{}\"", path.replace('/', "-"))]);
        assert!(line.contains("\"upstream\":\"\""), "{line}");
    }
    // Nor where nobody said how long it is.
    let chunk = "x".repeat(17 * 1024);
    let request = format!(
        "POST /v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    let answer = raw(&stack.nginx().address(), &request);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"payload_too_large\""), "{answer}");
}

/// Says something and reads to the end of the connection.
fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("nginx listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .expect("a socket");
    // nginx may close before it has read all of it.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
