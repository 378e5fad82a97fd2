//! The commands of `compose.yaml`, as they stand there: they start, are healthy, need their secrets, and
//! stop in time.

use std::time::Duration;

use serde_json::json;

use crate::stack::{OURS, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn they_make_an_installation_that_works_and_stops() {
    let mut stack = Stack::start("entrypoints");
    for service in OURS {
        assert!(stack.is_healthy(service), "{service}");
    }
    let (api, other) = (stack.directly("api-1"), stack.directly("api-2"));
    let job = api
        .post_job(&json!({"model": "echo", "input": {"text": "hello"}}))
        .await;
    let done = other.wait(&job).await;
    assert_eq!(done["output"], json!({"text": "hello"}), "{done}");
    // A second start finds the schema up to date.
    let (status, words) = stack.run("migrate", &[]);
    assert!(status.success(), "{words}");

    for service in OURS {
        let (status, took) = stack.stop(service);
        println!("{service} stopped after {} ms", took.as_millis());
        assert!(status.success(), "{service}: {status}\n{}", stack.log(service));
        assert!(
            !stack.is_healthy(service),
            "{service} is gone, and its health check says otherwise"
        );
        assert!(took < Duration::from_secs(20), "an idle {service} takes {took:?}");
    }
}

#[test]
fn nobody_gets_in_without_the_secrets() {
    let stack = Stack::shared();
    let wrong = stack.folder().join("wrong");
    std::fs::write(&wrong, "not the password\n").expect("a file");
    let wrong = wrong.display().to_string();
    for (variables, expected) in [
        (
            vec![
                ("LAMPLIGHTER_DATABASE_PASSWORD_FILE", wrong.as_str()),
                ("LAMPLIGHTER_DATABASE__CONNECT_SECONDS", "0"),
            ],
            "password authentication failed",
        ),
        (
            vec![("LAMPLIGHTER_DATABASE_PASSWORD_FILE", "/nonexistent")],
            "database.password_file",
        ),
    ] {
        let (status, words) = stack.run("migrate", &variables);
        assert!(
            !status.success() && words.contains(expected),
            "{expected:?}: {status} {words}"
        );
    }
    let (status, words) = stack.run("api-1", &[("LAMPLIGHTER_SECRET_KEY_FILE", "/nonexistent")]);
    assert!(!status.success() && words.contains("secret create"), "{words}");
    for service in OURS {
        let log = stack.log(service);
        assert!(
            log.contains("connected to Redis"),
            "{service} goes without Redis:\n{log}"
        );
        assert!(
            !log.contains("NOPERM"),
            "{service} asks Redis for more than it may:\n{log}"
        );
        for secret in [
            "postgres_password",
            "postgres_app_password",
            "redis_password",
            "secret_key",
        ] {
            assert!(!log.contains(&stack.secret(secret)), "{service} logs a secret");
        }
    }
}
