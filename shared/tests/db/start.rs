//! Many nodes that start at once: the schema is changed by one of them.

use lamplighter_shared::db::Db;
use tokio::task::JoinSet;

use crate::world::{empty_postgres, for_each_database};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_nodes_may_migrate_at_once() {
    let (server, name, url) = empty_postgres();
    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        nodes.spawn(async move {
            let db = Db::connect(&url).await.expect("connect");
            assert!(db.pending_migrations().await.expect("pending") <= 16);
            db.migrate().await.expect("migrate");
            db.pending_migrations().await.expect("pending")
        });
    }
    assert_eq!(nodes.join_all().await, [0; 8]);
    let applied = "SELECT count(*), count(DISTINCT version) FROM seaql_migrations";
    let counts = server.query(&name, applied).remove(0);
    assert_eq!(counts[0], counts[1], "each change once");
    let locks = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND datname = current_database()";
    assert_eq!(
        server.query(&name, locks)[0][0].as_deref(),
        Some("0"),
        "nobody keeps the lock"
    );
}

#[tokio::test]
async fn a_database_that_is_ahead_lacks_nothing_and_is_left_alone() {
    for_each_database(async |w| {
        assert_eq!(w.db.pending_migrations().await.expect("pending"), 0);
        w.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_later', 1)")
            .await;
        assert_eq!(w.db.pending_migrations().await.expect("pending"), 0);
        w.db.migrate().await.expect("nothing to do");
        w.execute("DELETE FROM seaql_migrations WHERE version = 'm29991231_000001_later'")
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_empty_database_lacks_everything_and_asking_changes_nothing() {
    let (server, name, url) = empty_postgres();
    let db = Db::connect(&url).await.expect("connect");
    let lacks = db.pending_migrations().await.expect("pending");
    println!("an empty database lacks {lacks} changes");
    assert!(lacks >= 4);
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(server.query(&name, tables)[0][0].as_deref(), Some("0"));
}
