//! Whose use a token with limits of its own is counted with, and how its text ends.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // The first token of a family (rotated, or made by one of them): what they use counts together. None: its own.
    "ALTER TABLE api_tokens ADD COLUMN share_id {uuid}",
    // For people to tell their tokens apart. None of those from before: nobody has their text.
    "ALTER TABLE api_tokens ADD COLUMN last4 text",
];

const DOWN: &[&str] = &[
    "ALTER TABLE api_tokens DROP COLUMN last4",
    "ALTER TABLE api_tokens DROP COLUMN share_id",
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
