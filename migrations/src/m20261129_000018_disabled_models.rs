//! Models that an admin has switched off.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // By the name in the catalogue, whoever serves it: it holds over restarts and for workers to come.
    "CREATE TABLE disabled_models (
        model text PRIMARY KEY,
        disabled_at bigint NOT NULL
    )",
];

const DOWN: &[&str] = &["DROP TABLE disabled_models"];

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
