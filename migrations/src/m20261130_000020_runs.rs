//! The runs of each job.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

// A line for each beginning and each end, appended by what moves the row. Programs from before write none.
const UP: &[&str] = &["ALTER TABLE jobs ADD COLUMN runs text NOT NULL DEFAULT ''"];

const DOWN: &[&str] = &["ALTER TABLE jobs DROP COLUMN runs"];

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
