//! Where a request comes from: what clients write about themselves changes nothing, neither through nginx
//! nor past it.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::Value;

use crate::stack::Stack;

/// Somebody else's address, in every header that people have invented for it.
const SPOOFED: [(&str, &str); 8] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-for", "127.0.0.1, 203.0.113.9, 127.0.0.1"),
    ("x-real-ip", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9;proto=https;by=203.0.113.9"),
    ("x-forwarded-host", "203.0.113.9"),
    ("x-client-ip", "203.0.113.9"),
    ("true-client-ip", "203.0.113.9"),
    ("cf-connecting-ip", "203.0.113.9"),
];

/// A client with an address of its own: all of 127.0.0.0/8 is this machine.
fn client(last: u8) -> Client {
    Client::builder()
        .no_proxy()
        .local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
        .tls_certs_only(std::iter::empty())
        .build()
        .expect("a client")
}

/// Asks for something that is refused, which is logged with the client's address; gives that line.
async fn logged(stack: &Stack, service: &str, url: &str, client: &Client, id: &str) -> Value {
    let mut request = client.get(url).header("x-request-id", id);
    for (name, value) in SPOOFED {
        request = request.header(name, value);
    }
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 404);
    let services = if service.is_empty() {
        vec!["api-1", "api-2"]
    } else {
        vec![service]
    };
    let end = Instant::now() + Duration::from_secs(10);
    let line = loop {
        let logs: String = services.iter().map(|service| stack.log(service)).collect();
        if let Some(line) = logs.lines().find(|line| line.contains(id)) {
            break line.to_owned();
        }
        assert!(Instant::now() < end, "{id} is not logged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"))
}

fn client_of(line: &Value) -> &Value {
    [&line["fields"]["client"], &line["client"]]
        .into_iter()
        .find(|client| client.is_string())
        .unwrap_or_else(|| panic!("no client in {line}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn spoofed_headers_change_nothing() {
    // Its provider of TLS, which even a plain client asks for.
    let _ = lamplighter_testkit::http_client();
    let stack = Stack::shared();
    let through = stack.through_nginx().url("/no-such-place");
    let line = logged(stack, "", &through, &client(2), "spoofed-through-nginx").await;
    assert_eq!(client_of(&line), "127.0.0.2", "the address that nginx saw");
    assert!(!line.to_string().contains("203.0.113.9"), "{line}");

    let past = stack.directly("api-1").url("/no-such-place");
    let line = logged(stack, "api-1", &past, &client(3), "spoofed-past-nginx").await;
    assert_eq!(
        client_of(&line),
        "127.0.0.3",
        "no proxy of ours: nothing it says is believed"
    );
    assert!(!line.to_string().contains("203.0.113.9"), "{line}");

    let line = stack.nginx().logged(&["spoofed-through-nginx"]);
    assert!(
        line.contains("\"client\":\"127.0.0.2\"") && !line.contains("203.0.113"),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_pass_where_they_are_harmless_and_query_strings_are_not_logged() {
    let stack = Stack::shared();
    let api = stack.through_nginx();
    let http = lamplighter_testkit::http_client();
    let ask = |id: &'static str| {
        let request = http.get(api.url("/no-such-place?token=a-secret-in-a-query"));
        let answer = request.header("x-request-id", id).send();
        async move {
            let answer = answer.await.expect("an answer");
            answer.headers()["x-request-id"]
                .to_str()
                .expect("text")
                .to_owned()
        }
    };
    assert_eq!(ask("mine-1.a:b/c").await, "mine-1.a:b/c");
    for harmful in ["a b", "a\"b", "<x>"] {
        assert!(ask(harmful).await.starts_with("req_"), "{harmful}");
    }
    stack.nginx().logged(&["mine-1.a:b/c"]);
    let log = stack.nginx().access_log().join("\n");
    assert!(log.contains("mine-1.a:b/c") && !log.contains("a-secret-in-a-query"));
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(line["client"].is_string() && line["status"].is_number(), "{line}");
    }
}
