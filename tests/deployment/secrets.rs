//! S7: people and programs go their ways through the whole installation, and fail in every way; afterwards no
//! secret of theirs, or of the installation, stands in any log, table, cache, metric, answer or process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lamplighter_testkit::{http_client, smtp};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::stack::{OURS, Stack};

const EMAIL: &str = "hunted@example.org";
const PASSWORD: &str = "canary-pelican-7391-umbrella";
const NEW_PASSWORD: &str = "canary-walrus-2046-lighthouse";
const SMTP_PASSWORD: &str = "canary-smtp-5512-password";
/// Longest that a mail or a line of a log may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A secret, and what it is.
type Secret = (&'static str, String);

/// What a person's browser does: it keeps cookies.
struct Browser {
    http: reqwest::Client,
    /// nginx.
    base: String,
    cookies: Vec<String>,
    secrets: Vec<Secret>,
    /// All answers, but for those that give a secret to its owner.
    seen: String,
}

impl Browser {
    async fn ask(&mut self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.base))
            .header("cookie", self.cookies.join("; "))
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let pair = line.to_str().expect("text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.retain(|own| !own.starts_with(&format!("{name}=")));
            if !value.is_empty() {
                self.cookies.push(pair.to_owned());
                self.secrets.push(("a cookie", value.to_owned()));
            }
        }
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        if status != 201 {
            self.seen.push_str(&text);
        }
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, &body.to_string()).await
    }

    /// What must work; the secret that it gives, if any.
    async fn must(&mut self, path: &str, body: Value, status: u16) -> String {
        let (got, answer) = self.post(path, body).await;
        assert_eq!(got, status, "{path}: {answer}");
        let given = answer["token"].as_str().unwrap_or_default().to_owned();
        if !given.is_empty() {
            self.secrets.push(("a token", given.clone()));
        }
        given
    }

    /// The token of the newest mail whose link leads to a page, and the code in it.
    async fn mailed(&mut self, smtp: &smtp::Smtp, page: &str) -> String {
        let began = Instant::now();
        loop {
            let mails = smtp.mails();
            let texts = mails
                .iter()
                .rev()
                .filter_map(|mail| mail["parts"]["text/plain"]["text"].as_str());
            let found = texts
                .filter_map(|text| Some((text, text.split_once(&format!("{page}#token="))?.1)))
                .next();
            if let Some((text, rest)) = found {
                let token: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                    .collect();
                self.secrets.push(("a mailed token", token.clone()));
                let code = text
                    .split_once("minutes: ")
                    .map(|(_, rest)| rest.chars().take(6).collect());
                self.secrets
                    .extend(code.map(|code: String| ("a mailed code", code)));
                return token;
            }
            assert!(began.elapsed() < LIMIT, "no mail leads to {page}: {mails:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// From the registration to the reset of a password; programs and admins, too.
async fn everything_works(stack: &Stack, smtp: &smtp::Smtp, person: &mut Browser) {
    let new = json!({"email": EMAIL, "password": PASSWORD, "display_name": "Hunted"});
    person.must("/v1/account/register", new, 202).await;
    let token = person.mailed(smtp, "/verify").await;
    person
        .must("/v1/account/verify", json!({"token": token}), 204)
        .await;
    person
        .must("/v1/session", json!({"email": EMAIL, "password": PASSWORD}), 201)
        .await;
    let new = json!({"name": "laptop", "scopes": ["jobs:read", "jobs:write"], "expires_in_seconds": 3600});
    let (_, made) = person.post("/v1/tokens", new).await;
    let (id, token) = (
        made["id"].as_str().expect("an id"),
        made["token"].as_str().expect("a token"),
    );
    person.secrets.push(("an API token", token.to_owned()));
    person.secrets.push((
        "its sealed part",
        token.split('.').nth(2).expect("a payload").to_owned(),
    ));
    for service in ["api-1", "api-2"] {
        // In the caches of both.
        let program = stack.directly(service).with_token(token);
        let job = program
            .post_job(&json!({"model": "echo", "input": {"a": 1}}))
            .await;
        program.wait(&job).await;
    }
    let rotate = json!({"expires_in_seconds": 3600, "overlap_seconds": 60});
    person.must(&format!("/v1/tokens/{id}/rotate"), rotate, 201).await;
    person
        .must("/v1/account/recover", json!({"email": EMAIL}), 202)
        .await;
    let token = person.mailed(smtp, "/reset").await;
    person
        .must(
            "/v1/account/reset",
            json!({"token": token, "password": NEW_PASSWORD}),
            204,
        )
        .await;
    person
        .must(
            "/v1/session",
            json!({"email": EMAIL, "password": NEW_PASSWORD}),
            201,
        )
        .await;

    let (status, invited) = stack
        .through_nginx()
        .post("/v1/invitations", &json!({"email": "invited@example.org"}))
        .await;
    assert_eq!(status.as_u16(), 201, "{invited}");
    person.secrets.push((
        "an invitation",
        invited["token"].as_str().expect("a token").to_owned(),
    ));
    let made = stack
        .command("api-1", &["lamplighter", "user", "create", "other@example.org"])
        .output();
    let link = String::from_utf8_lossy(&made.expect("the program starts").stdout).into_owned();
    let setup = link.split("#token=").nth(1).and_then(|rest| rest.lines().next());
    person
        .secrets
        .push(("a set-up token", setup.expect("a link").to_owned()));
}

/// Everything that can be wrong with a request, with a secret in it.
async fn everything_fails(stack: &Stack, person: &mut Browser) {
    let secrets = person.secrets.clone();
    let token = &secrets
        .iter()
        .find(|(what, _)| *what == "an API token")
        .expect("one")
        .1;
    for body in [
        json!({"email": EMAIL, "password": format!("{PASSWORD}x")}).to_string(),
        json!({"email": PASSWORD, "password": EMAIL}).to_string(),
        json!({"email": 5, "password": PASSWORD}).to_string(),
        json!({"email": EMAIL, "password": [NEW_PASSWORD], "more": PASSWORD}).to_string(),
        json!({"email": EMAIL, "token": token, "code": 5, "password": PASSWORD}).to_string(),
        format!("{{\"email\": \"{EMAIL}\", \"password\": \"{PASSWORD}"),
        format!("{token}{PASSWORD}"),
    ] {
        for path in [
            "session",
            "account/register",
            "account/verify",
            "account/recover",
            "account/reset",
            "setup",
        ] {
            person.ask(Method::POST, &format!("/v1/{path}"), &body).await;
        }
        person.ask(Method::POST, "/v1/account/password", &body).await;
        person.ask(Method::PATCH, "/v1/account", &body).await;
    }
    let api = stack.through_nginx();
    for (_, secret) in &secrets {
        for path in ["account/verify", "account/reset"] {
            person
                .post(
                    &format!("/v1/{path}"),
                    json!({"token": secret, "password": NEW_PASSWORD}),
                )
                .await;
        }
        let wrong = api.with_token(&format!("{secret}x"));
        person.seen.push_str(&wrong.get("/v1/jobs").await.1.to_string());
        // Where no secret belongs, and people put them.
        person
            .ask(
                Method::GET,
                &format!("/v1/jobs?token={secret}&access_token={secret}"),
                "",
            )
            .await;
        person
            .ask(Method::POST, &format!("/v1/account/verify?token={secret}"), "{}")
            .await;
        let (status, answer) = api.post("/v1/jobs", &json!({"model": secret, "input": {}})).await;
        assert_ne!(status.as_u16(), 202);
        person.seen.push_str(&answer.to_string());
        let basic = person
            .http
            .get(format!("http://{}/v1/jobs", person.base))
            .basic_auth("ada", Some(secret));
        person
            .seen
            .push_str(&basic.send().await.expect("an answer").text().await.expect("text"));
    }
    person.ask(Method::DELETE, "/v1/session", "").await;
    person.ask(Method::GET, "/v1/session", "").await;
}

/// All files below a folder but the secrets' own.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("secrets") {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn dump(stack: &Stack) -> Vec<u8> {
    let done = Command::new("pg_dump")
        .args([
            "--host=127.0.0.1",
            "--username=lamplighter",
            "--no-password",
            "lamplighter",
        ])
        .arg(format!("--port={}", stack.postgres_port()))
        .env("PGPASSWORD", stack.secret("postgres_password"))
        .stdin(Stdio::null())
        .output()
        .expect("pg_dump is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// Where a secret might stand: what the place is, and all that is in it.
async fn places(stack: &Stack, person: &Browser) -> Vec<(String, Vec<u8>)> {
    let mut paths = Vec::new();
    files(stack.folder(), &mut paths);
    for service in OURS {
        let pid = stack.pid(service);
        paths.extend(["environ", "cmdline"].map(|name| PathBuf::from(format!("/proc/{pid}/{name}"))));
    }
    let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).unwrap_or_default());
    let mut places: Vec<(String, Vec<u8>)> = paths.into_iter().map(read).collect();
    for service in ["api-1", "api-2"] {
        let metrics = person
            .http
            .get(stack.directly(service).url("/metrics"))
            .send()
            .await;
        let metrics = metrics.expect("metrics").text().await.expect("text");
        places.push((format!("metrics of {service}"), metrics.into_bytes()));
    }
    places.push(("the dump of Postgres".to_owned(), dump(stack)));
    places.push((
        "the log of Postgres".to_owned(),
        stack.postgres_log().into_bytes(),
    ));
    places.push(("the answers".to_owned(), person.seen.clone().into_bytes()));
    places
}

/// Whether a text holds a secret as it is, or in hexadecimal digits, as a dump writes bytes. A short one must stand
/// alone: digits stand everywhere.
fn holds(text: &[u8], secret: &str) -> bool {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let alone = |at: usize, length: usize| {
        let side = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.');
        length > 8 || side(at.checked_sub(1).and_then(|at| text.get(at))) && side(text.get(at + length))
    };
    [secret, hex.as_str()].iter().any(|form| {
        let mut windows = text.windows(form.len()).enumerate();
        windows.any(|(at, window)| window == form.as_bytes() && alone(at, form.len()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_anywhere_but_with_its_owner() {
    let smtp = smtp::Smtp::start_with(smtp::Options {
        user: "lamplighter",
        password: SMTP_PASSWORD,
        ..smtp::Options::default()
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), format!("{SMTP_PASSWORD}\n")).expect("written");
    let stack = Stack::start_with(
        "secrets",
        &[
            ("LAMPLIGHTER_LOG", "debug"),
            ("LAMPLIGHTER_MAIL__HOST", "127.0.0.1"),
            ("LAMPLIGHTER_MAIL__PORT", &smtp.port().to_string()),
            ("LAMPLIGHTER_MAIL__SECURITY", "none"),
            ("LAMPLIGHTER_MAIL__USERNAME", "lamplighter"),
            (
                "LAMPLIGHTER_MAIL__PASSWORD_FILE",
                &file.path().display().to_string(),
            ),
        ],
    );
    let mut person = Browser {
        http: http_client(),
        base: stack.nginx().address(),
        cookies: Vec::new(),
        secrets: vec![
            ("a password", PASSWORD.to_owned()),
            ("a new password", NEW_PASSWORD.to_owned()),
        ],
        seen: String::new(),
    };
    everything_works(&stack, &smtp, &mut person).await;
    assert!(
        smtp.mails().iter().all(|mail| mail["authenticated"] == true),
        "the password is used"
    );
    everything_fails(&stack, &mut person).await;
    person
        .secrets
        .push(("the owner's token", stack.through_nginx().token().to_owned()));
    person
        .secrets
        .push(("the password of SMTP", SMTP_PASSWORD.to_owned()));
    for name in [
        "secret_key",
        "postgres_password",
        "postgres_app_password",
        "redis_password",
    ] {
        person.secrets.push((name, stack.secret(name)));
    }
    person.secrets.sort();
    person.secrets.dedup();

    let places = places(&stack, &person).await;
    // What is looked through is what it should be.
    for (place, text) in [
        ("the dump of Postgres", EMAIL),
        ("api-1.log", "DEBUG"),
        ("nginx/access.log", "/v1/account/verify"),
        (".aof", "lamplighter:"),
        ("the answers", "wrong_credentials"),
        ("metrics of api-1", "lamplighter_logins_total"),
        ("environ", "LAMPLIGHTER_DATABASE_URL"),
    ] {
        let there = |(name, bytes): &(String, Vec<u8>)| name.contains(place) && holds(bytes, text);
        assert!(places.iter().any(there), "{text} is not found in {place}");
    }
    let mut hits = Vec::new();
    for (what, secret) in &person.secrets {
        let found = places.iter().filter(|(_, bytes)| holds(bytes, secret));
        hits.extend(found.map(|(place, _)| format!("{what} stands in {place}")));
    }
    let bytes: usize = places.iter().map(|(_, bytes)| bytes.len()).sum();
    println!(
        "S7 installation: {} secrets in {} places of {} KiB at level debug: {} raw hits",
        person.secrets.len(),
        places.len(),
        bytes / 1024,
        hits.len()
    );
    assert_eq!(hits, Vec::<String>::new());
}
