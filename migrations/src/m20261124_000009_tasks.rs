//! Tasks: what has to be done later, and again until it is: mail, and news that a cache has to hear.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // `payload`: what the kind needs, a JSON text; secrets in it are sealed. Gone once the task is done.
    "CREATE TABLE tasks (
        id {uuid} PRIMARY KEY,
        kind text NOT NULL,
        user_id {uuid},
        recipient text,
        payload text,
        created_at bigint NOT NULL,
        run_at bigint NOT NULL,
        attempt integer NOT NULL DEFAULT 0,
        epoch bigint NOT NULL DEFAULT 0,
        lease_until bigint,
        done_at bigint,
        dead_at bigint,
        last_error text
    )",
    "CREATE INDEX tasks_due ON tasks (run_at) WHERE done_at IS NULL AND dead_at IS NULL",
    "CREATE INDEX tasks_of_recipient ON tasks (recipient, created_at)",
    // For housekeeping: what is over leaves after a while.
    "CREATE INDEX tasks_done ON tasks (done_at) WHERE done_at IS NOT NULL",
    "CREATE INDEX tasks_dead ON tasks (dead_at) WHERE dead_at IS NOT NULL",
];

const DOWN: &[&str] = &["DROP TABLE tasks"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
