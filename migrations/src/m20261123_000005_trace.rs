//! The trace that a job belongs to, so that its worker continues what its request began.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // As the headers `traceparent` and `tracestate` have them; none for jobs from before.
        let columns = [
            "ALTER TABLE jobs ADD COLUMN trace_parent text",
            "ALTER TABLE jobs ADD COLUMN trace_state text",
        ];
        run(manager, &columns).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            "ALTER TABLE jobs DROP COLUMN trace_state",
            "ALTER TABLE jobs DROP COLUMN trace_parent",
        ];
        run(manager, &columns).await
    }
}
