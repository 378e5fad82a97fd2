//! Plans, quotas and usage.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // `units`: how much work it is; `charged_hour`: the hour whose quota it was counted in, none for jobs of before.
    "ALTER TABLE jobs ADD COLUMN token_id {uuid}",
    "ALTER TABLE jobs ADD COLUMN units bigint NOT NULL DEFAULT 1",
    "ALTER TABLE jobs ADD COLUMN charged_hour bigint",
    // Changes that admins made to the plans of the settings: a JSON object of what differs.
    "CREATE TABLE plans (name text PRIMARY KEY, changes text NOT NULL, changed_at bigint NOT NULL)",
    // What a share has used of its quotas; locked first by every submit of the share.
    "CREATE TABLE shares (
        share_key text PRIMARY KEY,
        hour bigint NOT NULL,
        hour_used bigint NOT NULL,
        day bigint NOT NULL,
        day_used bigint NOT NULL,
        CHECK (hour_used >= 0 AND day_used >= 0)
    )",
    "CREATE INDEX lanes_of_share ON lanes (share_key)",
    // What was used, written when runs end. `token_id`: of nil for what was done without a token.
    "CREATE TABLE usage (
        user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        token_id {uuid} NOT NULL,
        model text NOT NULL,
        grain text NOT NULL CHECK (grain IN ('hour', 'day')),
        starts_at bigint NOT NULL,
        requests bigint NOT NULL,
        succeeded bigint NOT NULL,
        failed bigint NOT NULL,
        units bigint NOT NULL,
        tokens bigint NOT NULL,
        compute_us bigint NOT NULL,
        PRIMARY KEY (user_id, grain, starts_at, token_id, model)
    )",
    "CREATE INDEX usage_age ON usage (grain, starts_at)",
    // API processes that live: what the rate is divided by where they can't agree on one.
    "CREATE TABLE api_nodes (boot {uuid} PRIMARY KEY, seen_at bigint NOT NULL)",
];

const DOWN: &[&str] = &[
    "DROP TABLE api_nodes",
    "DROP TABLE usage",
    "DROP INDEX lanes_of_share",
    "DROP TABLE shares",
    "DROP TABLE plans",
    "ALTER TABLE jobs DROP COLUMN charged_hour",
    "ALTER TABLE jobs DROP COLUMN units",
    "ALTER TABLE jobs DROP COLUMN token_id",
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
