//! The roles that `docs/operations.md` gives to the processes: what they need they can do, the schema and the
//! audit log they can't touch.

use std::time::Duration;

use lamplighter_shared::{
    config::Config,
    db::{
        Db,
        audit::{self, Filter, Origin},
        challenges::{NewChallenge, Purpose},
        people::{self, Change, Changed, NewAccount},
        retention::housekeeping,
        users::Role,
    },
};
use sea_orm::ConnectionTrait;

use crate::world::{empty_postgres, raw};

const DOCS: &str = include_str!("../../../docs/operations.md");

/// The statements that the documentation gives.
fn documented() -> &'static str {
    let section = DOCS
        .split("### Roles in the database")
        .nth(1)
        .expect("the section");
    let block = section.split("```sql\n").nth(1).expect("its statements");
    block.split("```").next().expect("their end")
}

#[tokio::test]
async fn the_role_of_the_processes_does_its_work_and_no_more() {
    let (server, name, url) = empty_postgres();
    Db::connect(&url)
        .await
        .expect("connect")
        .migrate()
        .await
        .expect("migrate");
    for role in ["lamplighter_app", "lamplighter_audit"] {
        server.query("postgres", &format!("CREATE ROLE {role} LOGIN"));
    }
    for statement in documented().split(';').map(str::trim).filter(|s| !s.is_empty()) {
        server.query(&name, statement);
    }
    let as_role = |role: &str| url.replacen("lamplighter@", &format!("{role}@"), 1);

    let db = Db::connect(&as_role("lamplighter_app")).await.expect("connect");
    assert_eq!(db.pending_migrations().await.expect("asked"), 0);
    let new = NewAccount {
        email: "ada@example.com".to_owned(),
        role: Role::User,
        plan: "basic".to_owned(),
        password_hash: None,
        setup: Some(NewChallenge {
            purpose: Purpose::Setup,
            fingerprint: [7; 32],
            code_fingerprint: None,
            email: "ada@example.com".to_owned(),
            lifetime: Duration::from_secs(60),
            code_lifetime: Duration::ZERO,
        }),
    };
    let who = Origin::operator();
    let user = people::create(&db, &new, &who)
        .await
        .expect("create")
        .expect("new");
    let change = Change {
        disabled: Some(true),
        ..Change::default()
    };
    let changed = people::change(&db, user, &change, &who).await.expect("change");
    assert!(matches!(changed, Changed::Done(_)), "{changed:?}");
    housekeeping(&db, &Config::default().retention)
        .await
        .expect("housekeeping");
    let all = Filter {
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(audit::list(&db, &all).await.expect("list").len(), 2);

    let mut refused = 0;
    for (role, statements) in [
        (
            "lamplighter_app",
            &[
                "UPDATE audit_log SET outcome = 'failure'",
                "DELETE FROM audit_log",
                "TRUNCATE audit_log",
                "DROP TABLE audit_log",
                "ALTER TABLE audit_log DISABLE TRIGGER ALL",
                "CREATE TABLE mine (x integer)",
                "ALTER TABLE users ADD COLUMN x integer",
                "DELETE FROM seaql_migrations",
                "CREATE ROLE another",
            ][..],
        ),
        (
            "lamplighter_audit",
            &[
                "SELECT email FROM users",
                "SELECT fingerprint FROM api_tokens",
                "DELETE FROM audit_log",
                "INSERT INTO audit_log (id, at, action, outcome, actor_kind) VALUES (gen_random_uuid(), 1, 'x', 'success', 'system')",
            ][..],
        ),
    ] {
        let connection = raw(&as_role(role)).await;
        for sql in statements {
            let error = connection
                .execute_unprepared(sql)
                .await
                .expect_err(sql)
                .to_string();
            let right = error.contains("permission denied") || error.contains("must be owner");
            assert!(right, "{role}: {sql}: {error}");
            refused += 1;
        }
        connection
            .execute_unprepared("SELECT action FROM audit_log")
            .await
            .expect("read");
    }
    println!("S18 roles: {refused} of 13 statements refused, the work of the role done");
    assert_eq!(refused, 13);
}
