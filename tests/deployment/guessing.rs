//! S3 in front: who guesses passwords is counted by the address that nginx saw, whatever their headers say.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use reqwest::Client;
use serde_json::{Value, json};

use crate::stack::Stack;

/// What people have invented to tell an address; `{}` is another one at each try.
const HEADERS: [(&str, &str); 6] = [
    ("x-forwarded-for", "{}"),
    ("x-forwarded-for", "127.0.0.1, {}"),
    ("x-real-ip", "{}"),
    ("forwarded", "for={};proto=https"),
    ("x-client-ip", "{}"),
    ("cf-connecting-ip", "{}"),
];
/// Tries at once of one network, and how many more a second (`accounts.login_…`).
const BURST: usize = 5;
const SECONDS_EACH: usize = 20;

/// A client with an address of its own: all of 127.0.0.0/8 is this machine.
fn client(last: u8) -> Client {
    Client::builder()
        .no_proxy()
        .local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
        .tls_certs_only(std::iter::empty())
        .build()
        .expect("a client")
}

/// One wrong password for an account that is not there, with another address in every header.
async fn guess(client: &Client, url: &str, n: usize) -> &'static str {
    let address = format!("203.0.113.{}", n % 250 + 1);
    let body = json!({"email": format!("a{n}@example.org"), "password": "not it"});
    loop {
        let mut request = client.post(url).json(&body);
        for (name, value) in HEADERS {
            request = request.header(name, value.replace("{}", &address));
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let problem: Value = response.json().await.expect("a problem document");
        match (status, problem["code"].as_str()) {
            (401, Some("wrong_credentials")) => return "compared",
            (429, Some("too_many_attempts")) => return "limited",
            // A machine that hashes slowly says so; nothing was tried then.
            (503, _) => {}
            other => panic!("{other:?}: {problem}"),
        }
    }
}

/// How many of so many guesses were compared, and the most that may be.
async fn guesses(client: &Client, url: &str, (tries, factor): (usize, usize)) -> (usize, usize) {
    let began = Instant::now();
    let mut compared = 0;
    for n in 0..tries {
        compared += usize::from(guess(client, url, n).await == "compared");
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("a short test");
    (compared, factor * (BURST + seconds / SECONDS_EACH + 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_count_by_the_address_that_nginx_saw() {
    // Its provider of TLS, which even a plain client asks for.
    let _ = lamplighter_testkit::http_client();
    let stack = Stack::shared();
    let through = stack.through_nginx().url("/v1/session");
    let (compared, most) = guesses(&client(7), &through, (60, 1)).await;
    assert!(
        (BURST..=most).contains(&compared),
        "{compared} of 60, at most {most}"
    );
    assert_eq!(
        guess(&client(8), &through, 0).await,
        "compared",
        "another address has tries of its own"
    );
    // Past nginx, from this machine: ten times as much, and not more.
    let past = stack.directly("api-1").url("/v1/session");
    let (direct, most_direct) = guesses(&client(9), &past, (90, 10)).await;
    assert!(
        (10 * BURST..=most_direct).contains(&direct),
        "{direct} of 90, at most {most_direct}"
    );
    println!(
        "S3 spoofed headers: through nginx {compared} of 60 compared (at most {most}), past it {direct} of 90 \
         (at most {most_direct})"
    );
}
