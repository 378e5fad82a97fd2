//! The audit log is read by the database's time, and no more by identifiers, which go by the clock of whoever
//! wrote.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "DROP INDEX audit_log_of_user",
    "DROP INDEX audit_log_of_action",
    "CREATE INDEX audit_log_by_time ON audit_log (at, id)",
    "CREATE INDEX audit_log_of_user ON audit_log (user_id, at, id)",
    "CREATE INDEX audit_log_of_action ON audit_log (action, at, id)",
];

const DOWN: &[&str] = &[
    "DROP INDEX audit_log_by_time",
    "DROP INDEX audit_log_of_user",
    "DROP INDEX audit_log_of_action",
    "CREATE INDEX audit_log_of_user ON audit_log (user_id, id)",
    "CREATE INDEX audit_log_of_action ON audit_log (action, id)",
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
