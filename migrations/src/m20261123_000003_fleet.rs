//! What a worker says of its machine, and what an admin has asked of it.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE workers ADD COLUMN device text NOT NULL DEFAULT ''",
    "ALTER TABLE workers ADD COLUMN memory_bytes bigint NOT NULL DEFAULT 0",
    "ALTER TABLE workers ADD COLUMN memory_used_bytes bigint NOT NULL DEFAULT 0",
    "ALTER TABLE workers ADD COLUMN in_flight integer NOT NULL DEFAULT 0",
    // How far it is with its order, as it says itself.
    "ALTER TABLE workers ADD COLUMN phase text NOT NULL DEFAULT 'active'",
    // By name, not by start: an order outlives the process it was given to.
    "CREATE TABLE worker_orders (
        name text PRIMARY KEY,
        wanted text NOT NULL CHECK (wanted IN ('drain', 'maintenance')),
        ordered_at bigint NOT NULL
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE worker_orders",
    "ALTER TABLE workers DROP COLUMN phase",
    "ALTER TABLE workers DROP COLUMN in_flight",
    "ALTER TABLE workers DROP COLUMN memory_used_bytes",
    "ALTER TABLE workers DROP COLUMN memory_bytes",
    "ALTER TABLE workers DROP COLUMN device",
];

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
