//! The audit log: who did what. It only grows: whoever writes, no row is changed or removed.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Without references: it outlives whom and what it speaks of.
    "CREATE TABLE audit_log (
        id {uuid} PRIMARY KEY,
        at bigint NOT NULL,
        action text NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('success', 'failure')),
        actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'token', 'guest', 'anonymous', 'operator', 'system')),
        actor_id text,
        user_id {uuid},
        subject text,
        address text,
        request_id text,
        detail text
    )",
    "CREATE INDEX audit_log_of_user ON audit_log (user_id, id)",
    "CREATE INDEX audit_log_of_action ON audit_log (action, id)",
];

const UP_SQLITE: &[&str] = &[
    "CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END",
    "CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END",
];

const UP_POSTGRES: &[&str] = &[
    "CREATE FUNCTION audit_log_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$",
    "CREATE TRIGGER audit_log_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_grows()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => run(manager, UP_POSTGRES).await,
            _ => run(manager, UP_SQLITE).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["DROP TABLE audit_log"]).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            run(manager, &["DROP FUNCTION audit_log_grows()"]).await?;
        }
        Ok(())
    }
}
