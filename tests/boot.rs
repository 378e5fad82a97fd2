//! S18: nothing starts with a secret that is empty, short, a default or unreadable. Each role ends at once, with one
//! sentence that names the file or the setting, and repeats nothing of the secret.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lamplighter_testkit::{postgres::Postgres, process};

const ROLES: [&str; 3] = ["serve", "api", "worker"];
/// The most that a refusal may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Texts of a key file that nobody drew at random, or that are no key.
const BAD_KEYS: [&str; 12] = [
    "",
    "\n\n",
    "changeme",
    "secret",
    "0123456789abcdef0123456789abcdef",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddee",
    "k4.local.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "k4.local.c2hvcnQ",
    "k4.public.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8",
    "k2.local.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8",
];

/// Starts a role and waits until it has ended; what it said on standard error.
///
/// # Panics
/// Where it starts.
fn refused(role: &str, folder: &Path, database: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    command.arg(role).arg("--data-dir").arg(folder).env_clear();
    if role != "worker" {
        command.args(["--bind", "127.0.0.1:0"]);
    }
    if role != "serve" {
        command.env("LAMPLIGHTER_DATABASE_URL", database);
    }
    command
        .env("LAMPLIGHTER_MODELS__ENABLED", r#"["echo"]"#)
        .env("LAMPLIGHTER_LOG", "warn")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let Some(status) = process::wait_at_most(&mut child, LIMIT) else {
        process::signal(child.id(), process::Signal::SIGKILL);
        let _ = child.wait();
        panic!("{role} with {variables:?} runs");
    };
    assert!(!status.success(), "{role} with {variables:?} ended well");
    let said = std::io::read_to_string(child.stderr.take().expect("piped")).expect("text");
    let sentences: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("lamplighter: "))
        .collect();
    assert_eq!(sentences.len(), 1, "{role} with {variables:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(began.elapsed() < LIMIT);
    sentences[0].to_owned()
}

#[test]
fn nothing_starts_with_a_bad_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, database) = Postgres::shared().create_database();
    let file = folder.path().join("a-secret");
    let named = file.display().to_string();
    let mut count = 0;
    for role in ROLES {
        for key in BAD_KEYS {
            fs::write(&file, key).expect("written");
            let said = refused(
                role,
                folder.path(),
                &database,
                &[("LAMPLIGHTER_SECRET_KEY_FILE", &named)],
            );
            assert!(
                said.contains("key") && said.contains(&named),
                "{role} {key:?}: {said}"
            );
            assert!(key.trim().len() < 7 || !said.contains(key.trim()), "{said}");
            count += 1;
        }
        fs::write(&file, "\nnot on the first line\n").expect("written");
        // Without the passwords' files, an address with a user only.
        let user = database.replacen("lamplighter@", "ada@", 1);
        for (setting, variables) in [
            (
                "database.password_file",
                vec![
                    ("LAMPLIGHTER_DATABASE_URL", user.as_str()),
                    ("LAMPLIGHTER_DATABASE_PASSWORD_FILE", named.as_str()),
                ],
            ),
            (
                "redis.password_file",
                vec![
                    ("LAMPLIGHTER_DATABASE_URL", database.as_str()),
                    ("LAMPLIGHTER_REDIS_URL", "redis://ada@127.0.0.1:1"),
                    ("LAMPLIGHTER_REDIS_PASSWORD_FILE", named.as_str()),
                ],
            ),
            (
                "mail.password_file",
                vec![
                    ("LAMPLIGHTER_MAIL__HOST", "127.0.0.1"),
                    ("LAMPLIGHTER_MAIL__USERNAME", "ada"),
                    ("LAMPLIGHTER_MAIL__PASSWORD_FILE", named.as_str()),
                ],
            ),
        ] {
            let said = refused(role, folder.path(), &database, &variables);
            assert!(
                said.contains(setting) && said.contains(&named),
                "{role} {setting}: {said}"
            );
            assert!(!said.contains("first line"), "{said}");
            count += 1;
        }
    }
    for role in ["api", "worker"] {
        let nowhere = folder.path().join("nowhere").display().to_string();
        let said = refused(
            role,
            folder.path(),
            &database,
            &[("LAMPLIGHTER_SECRET_KEY_FILE", &nowhere)],
        );
        assert!(
            said.contains("secret create") && said.contains(&nowhere),
            "{said}"
        );
        count += 1;
    }
    println!("S18 boot: {count} of {count} starts with bad secrets refused in one sentence");
}
