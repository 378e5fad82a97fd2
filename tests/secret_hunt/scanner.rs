//! What the manual tells those who look for tokens in repositories: it finds one, and no look-alike.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use lamplighter_testkit::server::Options;

const MANUAL: &str = include_str!("../../docs/api.md");

/// The manual's program: it reads texts and prints the tokens in them.
fn program() -> &'static str {
    let rest = MANUAL.split("```python\n").nth(1).expect("a program");
    rest.split("```").next().expect("its end")
}

fn found_in(text: &str) -> Vec<String> {
    let mut scan = Command::new("python3")
        .args(["-c", program()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut stdin = scan.stdin.take().expect("piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let done = scan.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).expect("text");
    said.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_token_in_a_repository_is_found_and_a_look_alike_is_not() {
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter")).start().await;
    let tokens = [
        server.token().to_owned(),
        server.create_token("ada@example.org", &["jobs:read"]),
    ];
    let last = |token: &str| if token.ends_with('0') { "1" } else { "0" };
    let wrong: Vec<String> = tokens
        .iter()
        .flat_map(|token| {
            let cut = token.len() - 1;
            [
                format!("{}{}", &token[..cut], last(token)),
                token.replacen("lmp_v4", "lmp_v3", 1),
                token
                    .replacen("local.A", "local.B", 1)
                    .replacen("local.a", "local.b", 1)
                    .to_lowercase(),
                format!("{token}x"),
            ]
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let lines = [
        format!("API_KEY = \"{}\"  # for tests", tokens[0]),
        format!("curl -H 'Authorization: Bearer {}' http://x", tokens[1]),
        wrong.join("\n"),
        "lmp_v4.local.abc.def_000000 and lmp_ alone".to_owned(),
    ];
    fs::write(folder.path().join("config.py"), lines.join("\n")).expect("written");
    let text = fs::read_to_string(folder.path().join("config.py")).expect("read");
    let found = found_in(&text);
    let planted = found.iter().filter(|token| tokens.contains(token)).count();
    println!(
        "S7 scanner: {planted} of 2 planted tokens found, {} of {} look-alikes",
        found.len() - planted,
        wrong.len() + 1
    );
    assert_eq!(found, tokens);
}
