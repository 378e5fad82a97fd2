//! Users and their API tokens.

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
        run(
            manager,
            &[
                "CREATE TABLE users (
                    id {uuid} PRIMARY KEY,
                    email text NOT NULL UNIQUE,
                    role text NOT NULL CHECK (role IN ('user', 'admin')),
                    created_at bigint NOT NULL
                )",
                // Only the fingerprint is kept: the database alone can't make a token.
                "CREATE TABLE api_tokens (
                    id {uuid} PRIMARY KEY,
                    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
                    name text NOT NULL,
                    scopes text NOT NULL,
                    fingerprint {bytes} NOT NULL UNIQUE,
                    created_at bigint NOT NULL,
                    expires_at bigint NOT NULL,
                    revoked_at bigint,
                    last_used_at bigint
                )",
                "CREATE INDEX api_tokens_of_user ON api_tokens (user_id, id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["DROP TABLE api_tokens", "DROP TABLE users"]).await
    }
}
