//! What bounds the tables, and what keeps the hot statements cheap beside millions of rows.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Serves both: removing data (`data_removed` is false) and forgetting rows (either).
    "CREATE INDEX jobs_ended ON jobs (data_removed, completed_at) WHERE completed_at IS NOT NULL",
    // Heartbeats renew leases: with the lease in an index each of them would write into every index.
    // What is running is no more than the fleet has room for, so the reaper reads all of it.
    "DROP INDEX jobs_lease",
    "CREATE INDEX jobs_running ON jobs (owner_id, id) WHERE state = 'processing'",
    // Lists, newest first, of one state (the one above, this, and one below for the other states) or one
    // model, however many others its owner has.
    "CREATE INDEX jobs_succeeded ON jobs (owner_id, id) WHERE state = 'succeeded'",
    "CREATE INDEX jobs_of_owner_by_model ON jobs (owner_id, model, id)",
    // When the lane was last submitted to.
    "ALTER TABLE lanes ADD COLUMN used_at bigint NOT NULL DEFAULT 0",
];

/// Rows change two or three times and then never again: dead ones are swept early, by count and not by a
/// share of the table, and pages keep room for the next version of a row.
const UP_POSTGRES: &[&str] = &[
    // In parts, so that a claim writes into none of them but the first.
    "CREATE INDEX jobs_of_other_states ON jobs (owner_id, state, id) WHERE state NOT IN ('processing', 'succeeded')",
    "ALTER TABLE jobs SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.005,
       autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0.01,
       autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE lanes SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)",
    "ALTER TABLE queues SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)",
    "ALTER TABLE workers SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)",
];

/// SQLite does not see that a state which is asked for is not one of two others.
const UP_SQLITE: &[&str] = &["CREATE INDEX jobs_of_other_states ON jobs (owner_id, state, id)"];

const DOWN: &[&str] = &[
    "ALTER TABLE lanes DROP COLUMN used_at",
    "DROP INDEX jobs_of_owner_by_model",
    "DROP INDEX jobs_of_other_states",
    "DROP INDEX jobs_succeeded",
    "DROP INDEX jobs_running",
    "CREATE INDEX jobs_lease ON jobs (lease_until) WHERE state = 'processing'",
    "DROP INDEX jobs_ended",
];

const DOWN_POSTGRES: &[&str] = &[
    "ALTER TABLE jobs RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
       autovacuum_analyze_scale_factor, autovacuum_analyze_threshold, autovacuum_vacuum_cost_delay)",
    "ALTER TABLE lanes RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
    "ALTER TABLE queues RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
    "ALTER TABLE workers RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => run(manager, UP_POSTGRES).await,
            _ => run(manager, UP_SQLITE).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            run(manager, DOWN_POSTGRES).await?;
        }
        run(manager, DOWN).await
    }
}
