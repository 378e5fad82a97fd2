//! The roles in the database (S18): what runs has the one that can read and write rows, and can do no more.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
};

use crate::{compose, stack::Stack};

/// Statements of a text of SQL, without comments and what only psql understands.
fn grants(text: &str) -> BTreeSet<String> {
    let statements = text.split(';').filter_map(|statement| {
        let lines = statement.lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with("--")).collect();
        let statement = lines.join(" ").trim().to_owned();
        (statement.starts_with("GRANT ") || statement.starts_with("REVOKE ")).then_some(statement)
    });
    statements.collect()
}

#[test]
fn the_roles_are_those_of_the_manual() {
    let manual = fs::read_to_string(compose::repository().join("docs/operations.md")).expect("the manual");
    let section = manual
        .split("### Roles in the database")
        .nth(1)
        .expect("a section");
    let block = section
        .split("```sql\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let manual = grants(block.expect("statements"));
    let ours = grants(&fs::read_to_string(compose::file("roles.sql")).expect("roles.sql"));
    assert!(manual.len() >= 5, "{manual:?}");
    assert_eq!(ours, manual);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_can_read_and_write_rows_and_no_more() {
    let stack = Stack::shared();
    // Once more does no harm.
    let (status, words) = stack.run_roles();
    assert!(status.success(), "{words}");
    // Not those who look: psql, and the server's own processes.
    let logged_in = stack.sql(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'lamplighter'
        AND backend_type = 'client backend' AND application_name <> 'psql'",
    );
    assert_eq!(
        logged_in,
        [[Some("lamplighter_app".to_owned())]],
        "who is connected"
    );

    let say = |role: &str, secret: &str, sql: &str| {
        let done = Command::new("psql")
            .args([
                "--host=127.0.0.1",
                "--dbname=lamplighter",
                "--no-psqlrc",
                "--no-password",
            ])
            .args([
                format!("--port={}", stack.postgres_port()),
                format!("--username={role}"),
            ])
            .args(["--command", sql])
            .env("PGPASSWORD", stack.secret(secret))
            .stdin(Stdio::null())
            .output()
            .expect("psql is installed");
        let words = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.success(), words)
    };
    let app = |sql: &str| say("lamplighter_app", "postgres_app_password", sql);
    assert!(app("SELECT count(*) FROM audit_log").0);
    let mut refused = 0;
    for sql in [
        "CREATE TABLE mine (x integer)",
        "DROP TABLE audit_log",
        "ALTER TABLE users ADD COLUMN x integer",
        "UPDATE audit_log SET outcome = 'failure'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM seaql_migrations",
        "CREATE ROLE another",
        "COPY users TO PROGRAM 'cat'",
    ] {
        let (worked, words) = app(sql);
        assert!(
            !worked && (words.contains("denied") || words.contains("must be")),
            "{sql}: {words}"
        );
        refused += 1;
    }
    for (role, secret) in [
        ("lamplighter", "postgres_app_password"),
        ("lamplighter_app", "postgres_password"),
        ("lamplighter_audit", "postgres_app_password"),
    ] {
        let (worked, words) = say(role, secret, "SELECT 1");
        assert!(
            !worked && words.contains("password authentication failed"),
            "{role}: {words}"
        );
    }
    println!(
        "S18 compose: everybody is lamplighter_app; {refused} of 9 statements refused, 3 wrong passwords refused"
    );
}
