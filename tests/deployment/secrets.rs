//! S7: people and programs go their ways through the whole installation, and fail in every way; afterwards no
//! secret of theirs, or of the installation, stands in any log, table, cache, metric, answer or process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lamplighter_testkit::smtp;

use crate::{
    hunted::{Browser, EMAIL, everything_fails, everything_works},
    redis_keys,
    stack::{OURS, Stack},
};

const SMTP_PASSWORD: &str = "canary-smtp-5512-password";

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
    let (keys, held) = redis_keys::contents(stack);
    println!("S7 Redis: {keys} keys of {} bytes read over the wire", held.len());
    places.push(("the keys of Redis".to_owned(), held));
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
    let mut person = Browser::new(&stack);
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
        ("the keys of Redis", "lamplighter:"),
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
