//! `lamplighter tokens` against a server, and `lamplighter token revoke` beside it.

use serde_json::json;

use super::{Ended, client, echo_server, end, run, run_with_input};

async fn run_as(server: &lamplighter_testkit::server::Server, token: &str, arguments: &[&str]) -> Ended {
    let mut command = client(server, arguments);
    command.env("LAMPLIGHTER_TOKEN", token);
    end(command.spawn().expect("the program starts")).await
}

#[tokio::test]
async fn tokens_are_made_listed_shown_rotated_revoked_and_deleted() {
    let server = echo_server().await;
    let scopes = "jobs:write,jobs:read";
    let made = run(
        &server,
        &["tokens", "create", "ci", "--scopes", scopes, "--models", "echo"],
    )
    .await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let (text, id) = (made.out.trim(), made.err.split(' ').next().expect("an id"));
    assert!(
        text.starts_with("lmp_") && !text.contains('\n'),
        "only its text: {made:?}"
    );
    assert!(id.starts_with("tok_") && !made.err.contains(text), "{made:?}");
    let job = run_as(&server, text, &["run", "echo", "{}", "--json"]).await;
    assert_eq!(job.code, Some(0), "{job:?}");

    let listed = run(&server, &["tokens", "list"]).await.lines();
    assert_eq!(
        (&listed[0]["id"], listed.len()),
        (&json!(id), 2),
        "it, and the owner's"
    );
    assert_eq!(
        run(&server, &["tokens", "list", "--limit", "1"])
            .await
            .lines()
            .len(),
        1
    );
    let shown = run(&server, &["tokens", "show", id]).await.json();
    assert_eq!(
        (&shown["models"], &shown["usage"]["used_this_hour"]),
        (&json!(["echo"]), &json!(1))
    );
    assert!(!shown.to_string().contains(text));

    let rotated = run(&server, &["tokens", "rotate", id, "--overlap", "1h", "--json"])
        .await
        .json();
    assert_eq!(rotated["name"], "ci");
    let next = rotated["id"].as_str().expect("an id");
    for living in [text, rotated["token"].as_str().expect("its text")] {
        assert_eq!(
            run_as(&server, living, &["jobs", "list"]).await.code,
            Some(0),
            "both, for an hour"
        );
    }
    for _ in 0..2 {
        let revoked = run(&server, &["tokens", "revoke", id]).await;
        assert_eq!(
            (revoked.code, revoked.err.as_str()),
            (Some(0), format!("revoked {id}\n").as_str())
        );
    }
    assert_eq!(run_as(&server, text, &["jobs", "list"]).await.code, Some(1));
    assert_eq!(run(&server, &["tokens", "delete", next]).await.code, Some(0));
    let missing = run(&server, &["tokens", "show", next]).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.starts_with("not_found: "), "{missing:?}");
}

#[tokio::test]
async fn what_a_token_may_not_do_is_told() {
    let server = echo_server().await;
    let narrow = run(
        &server,
        &["tokens", "create", "narrow", "--scopes", "account:read"],
    )
    .await;
    let narrow = narrow.out.trim();
    assert_eq!(run_as(&server, narrow, &["tokens", "list"]).await.code, Some(0));
    let create = ["tokens", "create", "more", "--scopes", "jobs:write"];
    for (token, arguments, code, words) in [
        (
            narrow,
            &create[..],
            1,
            "insufficient_scope: The token lacks the scope tokens:write.",
        ),
        ("lmp_x", &create[..], 1, "unauthorized: "),
        (narrow, &create[..3], 2, "--scopes"),
        (
            narrow,
            &["tokens", "rotate", "tok_x", "--overlap", "soon"][..],
            2,
            "--overlap",
        ),
    ] {
        let ended = run_as(&server, token, arguments).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{ended:?}");
        assert!(ended.err.contains(words), "{words}: {ended:?}");
    }
    let unknown = run(&server, &["tokens", "create", "x", "--scopes", "everything"]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.err.contains("/scopes/0"), "{unknown:?}");
    let help = run(&server, &["tokens", "create", "--help"]).await;
    assert!(
        help.out.contains("Examples:") && help.out.contains("--expires-in"),
        "{help:?}"
    );
}

#[tokio::test]
async fn a_second_revocation_on_the_servers_machine_says_when_the_first_was() {
    let server = echo_server().await;
    let made = run(&server, &["tokens", "create", "ci", "--scopes", "jobs:read"]).await;
    let revoke = async |text: &str| run_with_input(&server, &["token", "revoke", "-"], text.as_bytes()).await;
    let first = revoke(&made.out).await;
    assert_eq!(
        (first.code, first.err.as_str()),
        (Some(0), "revoked\n"),
        "{first:?}"
    );
    let second = revoke(&made.out).await;
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(second.err.starts_with("already revoked at 20"), "{second:?}");
    let none = revoke("lmp_nothing").await;
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.err.contains("there is no such token"), "{none:?}");
}

/// Somebody registered the address of a person and never showed that it is theirs: a token for the person is not made
/// for what they registered, which would take it along when it is forgotten.
#[tokio::test]
async fn a_token_for_somebody_is_not_made_for_a_stranger_s_registration() {
    let server = echo_server().await;
    let password = "nine sly foxes wait outside";
    let wish = json!({"email": "ada@example.org", "password": password});
    let (status, said) = server.post("/v1/account/register", &wish).await;
    assert_eq!(status.as_u16(), 202, "{said}");
    let made = run(&server, &["token", "create", "--user", "ada@example.org"]).await;
    assert_eq!(
        (made.code, made.err.as_str()),
        (Some(0), "made an account for ada@example.org\n"),
        "{made:?}"
    );
    let listed = run_as(&server, made.out.trim(), &["jobs", "list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let (status, said) = server.post("/v1/session", &wish).await;
    assert_eq!(status.as_u16(), 401, "the stranger's password: {said}");
    let users = run(&server, &["user", "list"]).await;
    let of_ada = users.out.lines().filter(|line| line.contains("ada@example.org"));
    assert_eq!(of_ada.count(), 1, "{users:?}");
    assert!(
        users.out.contains("ada@example.org\tuser\tunlimited\tactive"),
        "{users:?}"
    );
}
