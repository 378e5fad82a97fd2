//! What an API token may do beyond its scopes, and what became of it.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // `models`: a JSON list, none for all; `plan` and `limits`: what an admin gave the token instead of its user's.
    "ALTER TABLE api_tokens ADD COLUMN models text",
    "ALTER TABLE api_tokens ADD COLUMN plan text",
    "ALTER TABLE api_tokens ADD COLUMN limits text",
    "ALTER TABLE api_tokens ADD COLUMN rotated_to {uuid}",
    "ALTER TABLE api_tokens ADD COLUMN last_used_address text",
    "ALTER TABLE api_tokens ADD COLUMN reminded_days integer",
    "CREATE INDEX api_tokens_expiry ON api_tokens (expires_at) WHERE revoked_at IS NULL",
];

const DOWN: &[&str] = &[
    "DROP INDEX api_tokens_expiry",
    "ALTER TABLE api_tokens DROP COLUMN reminded_days",
    "ALTER TABLE api_tokens DROP COLUMN last_used_address",
    "ALTER TABLE api_tokens DROP COLUMN rotated_to",
    "ALTER TABLE api_tokens DROP COLUMN limits",
    "ALTER TABLE api_tokens DROP COLUMN plan",
    "ALTER TABLE api_tokens DROP COLUMN models",
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
