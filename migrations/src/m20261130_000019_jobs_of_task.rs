//! Lists of the jobs of one task.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

// A model may have several tasks.
const UP: &[&str] = &["CREATE INDEX jobs_of_owner_by_task ON jobs (owner_id, task, id)"];

const DOWN: &[&str] = &["DROP INDEX jobs_of_owner_by_task"];

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
