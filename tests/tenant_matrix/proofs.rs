//! What everybody asks with: accounts, tokens and sessions, made as an operator and people make them.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lamplighter_testkit::server::Server;
use reqwest::{Client, header};
use serde_json::json;

use crate::who::Who;

const PASSWORD: &str = "nine blue herons over the canal";
/// Somebody who registered, and no more.
const UNVERIFIED: &str = "eve@example.com";
/// Somebody who registered, showed that the address is theirs, and waits to be let in.
const PENDING: &str = "frank@example.com";
/// Every scope that a user may have.
pub const EVERYTHING: [&str; 5] = [
    "jobs:read",
    "jobs:write",
    "models:read",
    "account:read",
    "tokens:write",
];

/// What a request brings.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A token.
    Token(String),
    /// The header `Cookie`; it may be empty.
    Cookie(String),
}

/// Makes everybody. `http` keeps no cookies.
pub async fn make(server: &Server, http: &Client) -> Vec<(Who, Proof)> {
    for (email, admin) in [
        ("alice@example.com", false),
        ("carol@example.com", false),
        ("dave@example.com", false),
        ("root@example.com", true),
        ("judy@example.com", true),
    ] {
        create_user(server, email, admin);
    }
    let of_owner = |scopes: &[&str]| server.create_token("alice@example.com", scopes);
    let whole = of_owner(&EVERYTHING);
    let revoked = of_owner(&EVERYTHING);
    run(server.command(&["token", "revoke", &revoked]), "");
    let mut made = vec![
        (Who::Anonymous, Proof::Cookie(String::new())),
        (Who::Unverified, Proof::Cookie(unverified(server, http).await)),
        (Who::PendingToken, Proof::Token(pending(server, http).await)),
        (
            Who::AdministratorWithoutScope,
            Proof::Token(server.create_token("judy@example.com", &EVERYTHING)),
        ),
        (Who::Guest, Proof::Cookie(guest(server, http).await)),
        (Who::Forger, Proof::Token(forged(&whole))),
        (Who::Revoked, Proof::Token(revoked)),
        (
            Who::ReadOnly,
            Proof::Token(of_owner(&["jobs:read", "models:read", "account:read"])),
        ),
        (
            Who::Other,
            Proof::Token(server.create_token("bob@example.com", &EVERYTHING)),
        ),
        (Who::Administrator, Proof::Token(server.token().to_owned())),
        (Who::Owner, Proof::Token(whole)),
    ];
    for scope in EVERYTHING {
        made.push((Who::Narrow(scope), Proof::Token(of_owner(&[scope]))));
    }
    for who in Who::ALL {
        if let Some(email) = who.logged_in() {
            made.push((who, Proof::Cookie(log_in(server, http, email).await.0)));
        }
    }
    let token = server.create_token("dave@example.com", &EVERYTHING);
    let (session, _) = log_in(server, http, "dave@example.com").await;
    run(server.command(&["user", "disable", "dave@example.com"]), "");
    made.push((Who::Disabled, Proof::Token(token)));
    made.push((Who::DisabledSession, Proof::Cookie(session)));
    made
}

/// Begins a session: its cookie, and its id.
pub async fn log_in(server: &Server, http: &Client, email: &str) -> (String, String) {
    let body = json!({"email": email, "password": PASSWORD});
    let request = http.post(server.url("/v1/session")).json(&body);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status().as_u16(), 201, "{email} logs in");
    let cookie = cookie(&response, "sid=").expect("a login sets a cookie");
    let session: serde_json::Value = response.json().await.expect("a session");
    (cookie, session["id"].as_str().expect("an id").to_owned())
}

/// Somebody who registered: their login is refused, whatever it sets is kept.
async fn unverified(server: &Server, http: &Client) -> String {
    let body = json!({"email": UNVERIFIED, "password": PASSWORD});
    let post = async |path: &str| {
        let request = http.post(server.url(path)).json(&body);
        request.send().await.expect("an answer")
    };
    assert_eq!(post("/v1/account/register").await.status().as_u16(), 202);
    let refused = post("/v1/session").await;
    assert_eq!(refused.status().as_u16(), 403, "the address is not verified");
    assert_eq!(cookie(&refused, "sid="), None);
    cookie(&refused, "").unwrap_or_default()
}

/// A token of somebody whom nobody has let in.
async fn pending(server: &Server, http: &Client) -> String {
    let post = async |path: &str, body: serde_json::Value| {
        let request = http.post(server.url(path)).json(&body);
        request.send().await.expect("an answer").status().as_u16()
    };
    let wish = json!({"email": PENDING, "password": PASSWORD});
    assert_eq!(post("/v1/account/register", wish).await, 202);
    let proof = mailed(server, PENDING).await;
    assert_eq!(post("/v1/account/verify", json!({"token": proof})).await, 204);
    server.create_token(PENDING, &EVERYTHING)
}

/// What the link of the first mail to somebody proves.
async fn mailed(server: &Server, email: &str) -> String {
    const LINK: &str = "/verify#token=";
    let (folder, began) = (server.data_dir().join("mail"), Instant::now());
    loop {
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut mails = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        let mail = mails.find(|mail| mail.contains(email) && mail.contains(LINK));
        if let Some((_, rest)) = mail.as_ref().and_then(|mail| mail.split_once(LINK)) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
            return rest[..end.unwrap_or(rest.len())].to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no mail to {email}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Somebody who tried a public model.
async fn guest(server: &Server, http: &Client) -> String {
    let body = json!({"model": "echo", "input": {}});
    let request = http.post(server.url("/v1/jobs")).json(&body);
    let response = request.send().await.expect("an answer");
    cookie(&response, "guest=").expect("a guest gets a cookie")
}

/// `NAME=VALUE` of the first cookie that an answer sets and that begins so.
fn cookie(response: &reqwest::Response, start: &str) -> Option<String> {
    let set = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs = set.filter_map(|set| set.to_str().ok()?.split(';').next());
    let mut found = pairs.filter(|pair| pair.starts_with(start));
    found.next().map(str::to_owned)
}

fn create_user(server: &Server, email: &str, admin: bool) {
    let mut command = server.command(&["user", "create", email, "--password-stdin"]);
    if admin {
        command.arg("--admin");
    }
    run(command, PASSWORD);
}

fn run(mut command: Command, input: &str) {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A token with another character in its sealed part, and so with a wrong checksum as well.
fn forged(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("a token is ASCII")
}
