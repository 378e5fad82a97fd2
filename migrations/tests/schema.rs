//! The changes to the schema, on both databases: they can be made, taken back and made again, and what
//! the schema itself promises holds against raw SQL.
//!
//! Not here: the statements over the tables; `shared` tests those.

use lamplighter_migrations::{Migrator, MigratorTrait};
use lamplighter_testkit::postgres::Postgres;
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use tempfile::TempDir;

const STATES: [&str; 6] = [
    "queued",
    "processing",
    "succeeded",
    "failed",
    "canceled",
    "expired",
];

async fn connect(options: ConnectOptions) -> DatabaseConnection {
    Database::connect(options).await.expect("connect")
}

/// Runs a test on an empty SQLite and on an empty Postgres.
async fn for_each_database(body: impl AsyncFn(&DatabaseConnection)) {
    let folder = TempDir::new().expect("a temporary folder");
    let sqlite = format!("sqlite://{}?mode=rwc", folder.path().join("x.db").display());
    let (_, postgres) = Postgres::shared().create_database();
    for url in [sqlite, postgres] {
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        let db = connect(options).await;
        body(&db).await;
    }
}

/// Everything that stands in the schema, with its definition; the table of applied changes aside.
async fn schema(db: &DatabaseConnection) -> Vec<String> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '')
               FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'seaql_migrations'
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'seaql_migrations'
             UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
             UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             ORDER BY 1"
        }
        _ => {
            "SELECT name || coalesce(sql, '') FROM sqlite_schema
             WHERE tbl_name <> 'seaql_migrations' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        }
    };
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .expect("the schema");
    rows.iter()
        .map(|row| row.try_get_by_index(0).expect("text"))
        .collect()
}

async fn up(db: &DatabaseConnection) {
    Migrator::up(db, None).await.expect("up");
}

/// A job in this state, of a user who is there.
async fn insert(db: &DatabaseConnection, number: usize, state: &str) -> Result<(), String> {
    let id = match db.get_database_backend() {
        DbBackend::Postgres => format!("'00000000-0000-0000-0000-{number:012}'"),
        _ => format!("x'{number:032}'"),
    };
    let user = format!(
        "INSERT INTO users (id, email, role, created_at) VALUES ({id}, 'u{number}@example.com', 'user', 0)"
    );
    let job = format!(
        "INSERT INTO jobs (id, owner_id, model, task, share_key, priority, state, rank, created_at, run_at,
           start_deadline, run_timeout_ms)
         VALUES ({id}, {id}, 'm{number}', 'echo', 's', 'normal', '{state}', 1, 0, 0, 1, 1)"
    );
    execute(db, &user).await?;
    execute(db, &job).await
}

async fn execute(db: &DatabaseConnection, sql: &str) -> Result<(), String> {
    db.execute_unprepared(sql)
        .await
        .map(drop)
        .map_err(|e| e.to_string())
}

#[tokio::test]
async fn changes_are_made_taken_back_and_made_again() {
    for_each_database(async |db| {
        up(db).await;
        let first = schema(db).await;
        assert!(first.len() > 10, "{first:?}");
        up(db).await;
        assert_eq!(schema(db).await, first, "twice is once");
        Migrator::down(db, None).await.expect("down");
        assert_eq!(schema(db).await, Vec::<String>::new(), "nothing stays");
        up(db).await;
        assert_eq!(schema(db).await, first);
        // With rows in the tables as well.
        insert(db, 1, "queued").await.expect("insert");
        Migrator::down(db, None).await.expect("down");
        assert_eq!(schema(db).await, Vec::<String>::new());
    })
    .await;
}

/// One change at a time: each can be taken back alone.
#[tokio::test]
async fn every_change_can_be_taken_back_alone() {
    for_each_database(async |db| {
        let mut stages = vec![Vec::new()];
        for _ in Migrator::migrations() {
            Migrator::up(db, Some(1)).await.expect("up");
            stages.push(schema(db).await);
        }
        while let Some(stage) = stages.pop() {
            assert_eq!(schema(db).await, stage);
            if !stages.is_empty() {
                Migrator::down(db, Some(1)).await.expect("down");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_terminal_row_never_changes_state() {
    for_each_database(async |db| {
        up(db).await;
        let mut refused = 0;
        for (number, from) in STATES.iter().enumerate() {
            insert(db, number, from).await.expect("insert");
            let terminal = !matches!(*from, "queued" | "processing");
            for to in STATES.iter().filter(|to| *to != from) {
                let result = execute(
                    db,
                    &format!("UPDATE jobs SET state = '{to}' WHERE model = 'm{number}'"),
                )
                .await;
                if terminal {
                    let error = result.expect_err("refused");
                    assert!(
                        error.contains("a terminal job never changes state"),
                        "{from} to {to}: {error}"
                    );
                    refused += 1;
                } else {
                    result.unwrap_or_else(|e| panic!("{from} to {to}: {e}"));
                    // A fresh row of the first state: the last one may have ended.
                    execute(db, &format!("DELETE FROM jobs WHERE model = 'm{number}'"))
                        .await
                        .expect("delete");
                    execute(
                        db,
                        &format!("DELETE FROM users WHERE email = 'u{number}@example.com'"),
                    )
                    .await
                    .expect("delete");
                    insert(db, number, from).await.expect("insert");
                }
            }
            // The other columns may change (data is removed after a while), and writing the same state is no change.
            let sql =
                format!("UPDATE jobs SET data_removed = true, state = '{from}' WHERE model = 'm{number}'");
            execute(db, &sql).await.expect("an update that keeps the state");
        }
        println!(
            "{:?}: {refused} changes of terminal rows refused",
            db.get_database_backend()
        );
        assert_eq!(refused, 20);
    })
    .await;
}

#[tokio::test]
async fn names_and_counts_that_can_not_be_are_refused() {
    for_each_database(async |db| {
        up(db).await;
        insert(db, 1, "finished").await.expect_err("no such state");
        insert(db, 2, "queued").await.expect("insert");
        for sql in [
            "UPDATE jobs SET state = 'done'",
            "UPDATE jobs SET priority = 'urgent'",
            "UPDATE users SET role = 'root'",
            "INSERT INTO lanes (model, share_key, priority, last_rank, waiting, running) VALUES ('m', 's', 'low', 0, -1, 0)",
            "INSERT INTO lanes (model, share_key, priority, last_rank, waiting, running) VALUES ('m', 's', 'low', 0, 0, -1)",
        ] {
            execute(db, sql).await.expect_err(sql);
        }
        // What belongs to a user goes with them.
        execute(db, "INSERT INTO job_payloads (job_id, input) SELECT id, '{}' FROM jobs").await.expect("insert");
        execute(db, "DELETE FROM users").await.expect("delete");
        for table in ["jobs", "job_payloads"] {
            let sql = format!("SELECT count(*) FROM {table}");
            let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("count");
            assert_eq!(row.expect("one row").try_get_by_index::<i64>(0).expect("a number"), 0, "{table}");
        }
    })
    .await;
}
