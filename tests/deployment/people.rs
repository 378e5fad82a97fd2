//! People at an installation in containers: the APIs are told where it is reached, so that links lead there and
//! logins are taken although every process binds to all addresses of its container.

use std::{io::Write, process::Stdio};

use lamplighter_testkit::http_client;
use reqwest::{Response, header};
use serde_json::{Value, json};

use crate::{
    compose,
    stack::{OURS, Stack},
};

const PUBLIC_URL: &str = "LAMPLIGHTER_SERVER__PUBLIC_URL";
const EMAIL: &str = "lovelace@example.org";
const PASSWORD: &str = "nine blue herons over the canal";

#[test]
fn the_apis_are_told_where_people_reach_them_and_how_mail_goes() {
    let text = std::fs::read_to_string(compose::file("compose.yaml")).expect("compose.yaml");
    let told = |variables: &[(&str, &str)], name: &str| {
        let compose = compose::parse(&text, &variables.iter().copied().collect());
        let of = |service: &str| compose["services"][service]["environment"][name].clone();
        assert_eq!(of("api-1"), of("api-2"), "{name}");
        of("api-1").as_str().map(str::to_owned)
    };
    assert_eq!(told(&[], PUBLIC_URL).as_deref(), Some("http://localhost:8080"));
    let set = [
        ("LAMPLIGHTER_PUBLIC_URL", "https://ai.example.org"),
        ("LAMPLIGHTER_MAIL_HOST", "smtp.example.org"),
        ("LAMPLIGHTER_MAIL_USERNAME", "lamplighter"),
    ];
    assert_eq!(told(&set, PUBLIC_URL).as_deref(), Some("https://ai.example.org"));
    let mail = |name: &str, set: &[(&str, &str)]| told(set, &format!("LAMPLIGHTER_MAIL__{name}"));
    assert_eq!(mail("HOST", &set).as_deref(), Some("smtp.example.org"));
    // A password goes with a name, and no name without one.
    let file = Some("/run/secrets/mail_password");
    assert_eq!(mail("PASSWORD_FILE", &set).as_deref(), file);
    assert_eq!(mail("PASSWORD_FILE", &[]).as_deref(), Some(""));
    assert_eq!(mail("HOST", &[]).as_deref(), Some(""));
}

/// Makes an account on the server's machine; what the command says.
fn create(stack: &Stack, words: &[&str], input: &str) -> String {
    let mut command = stack.command("api-1", &[&["lamplighter", "user", "create"], words].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What becomes of a request through nginx.
async fn post(stack: &Stack, path: &str, body: Value) -> Response {
    let request = http_client().post(format!("http://{}{path}", stack.nginx().address()));
    request.json(&body).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_registers_and_logs_in_through_nginx() {
    let stack = Stack::shared();
    for service in OURS.iter().filter(|service| service.starts_with("api")) {
        let environment = std::fs::read(format!("/proc/{}/environ", stack.pid(service)));
        let environment = String::from_utf8_lossy(&environment.expect("it runs")).into_owned();
        let told = environment
            .split('\0')
            .any(|pair| pair == format!("{PUBLIC_URL}=http://localhost:8080"));
        assert!(told, "{service}: {environment}");
    }
    let link = create(stack, &["babbage@example.org"], "");
    assert!(link.contains("http://localhost:8080/setup#token="), "{link}");

    let new = json!({"email": "newcomer@example.org", "password": PASSWORD});
    let registered = post(stack, "/v1/account/register", new).await;
    assert_eq!(registered.status().as_u16(), 202);
    create(stack, &[EMAIL, "--password-stdin"], PASSWORD);
    let login = post(
        stack,
        "/v1/session",
        json!({"email": EMAIL, "password": PASSWORD}),
    )
    .await;
    let set = login.headers().get_all(header::SET_COOKIE).iter();
    let set: Vec<String> = set.map(|set| set.to_str().expect("text").to_owned()).collect();
    let (status, answer) = (login.status().as_u16(), login.text().await.expect("text"));
    assert_eq!(status, 201, "{answer}");
    let sid = set
        .iter()
        .find_map(|set| set.strip_prefix("sid="))
        .expect("a cookie");
    let sid = sid.split(';').next().unwrap_or_default();
    for service in ["api-1", "api-2"] {
        let own = http_client().get(stack.directly(service).url("/v1/session"));
        let own = own.header(header::COOKIE, format!("sid={sid}")).send().await;
        assert_eq!(own.expect("an answer").status().as_u16(), 200, "{service}");
    }
    println!("S9 compose: logged in through nginx with the settings of compose.yaml, and known to both APIs");
}
