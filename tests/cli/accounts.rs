//! `user` and `token` on the server's machine: whose account it is, and where the link to it leads.

use lamplighter_testkit::server::Options;

use crate::{PROGRAM, echo_server, run};

/// The lines of `user list`: address and plan.
async fn users(server: &lamplighter_testkit::server::Server) -> Vec<(String, String)> {
    let listed = run(server, &["user", "list"]).await;
    let columns = |line: &str| {
        let mut columns = line.split('\t').map(str::to_owned);
        Some((columns.nth(1)?, columns.nth(1)?))
    };
    listed.out.lines().filter_map(columns).collect()
}

#[tokio::test]
async fn an_address_is_one_account_however_it_is_spelt() {
    let server = echo_server().await;
    let made = run(&server, &["user", "create", "ada@example.org"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    for spelt in ["ADA@example.org", "Ada@Example.Org", "ada@example.org"] {
        let token = run(&server, &["token", "create", "--user", spelt]).await;
        assert_eq!(
            (token.code, token.err.as_str()),
            (Some(0), ""),
            "{spelt}: {token:?}"
        );
    }
    let new = run(&server, &["token", "create", "--user", "BOB@example.org"]).await;
    assert_eq!(new.err, "made an account for bob@example.org\n", "{new:?}");
    let users = users(&server).await;
    let plan = |email: &str| {
        users
            .iter()
            .find(|user| user.0 == email)
            .map(|user| user.1.as_str())
    };
    assert_eq!(users.len(), 3, "with the owner: {users:?}");
    assert_eq!(plan("ada@example.org"), Some("basic"));
    assert_eq!(plan("bob@example.org"), Some("unlimited"), "as its help says");
    for bad in ["ada", "ada@@example.org", "a b@example.org", "ada@example.org\n"] {
        let refused = run(&server, &["token", "create", "--user", bad]).await;
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
    }
}

#[tokio::test]
async fn a_link_leads_to_where_the_server_is() {
    let server = echo_server().await;
    let link = async |server: &lamplighter_testkit::server::Server, email: &str| {
        let made = run(server, &["user", "create", email]).await;
        let line = made.out.lines().nth(1).map(str::to_owned);
        (line.unwrap_or_default(), made.err)
    };
    let (line, words) = link(&server, "ada@example.org").await;
    let here = server.url("");
    assert!(
        line.starts_with(&format!("{here}/setup#token=")),
        "{line}, not {here}"
    );
    assert!(words.contains(&format!("POST {here}/v1/setup")), "{words}");
    let public = Options::new(PROGRAM)
        .config("[server]\npublic_url = \"https://ai.example.org\"\n")
        .start()
        .await;
    let (line, words) = link(&public, "ada@example.org").await;
    assert!(line.starts_with("https://ai.example.org/setup#token="), "{line}");
    assert!(words.contains("POST https://ai.example.org/v1/setup"), "{words}");
}
