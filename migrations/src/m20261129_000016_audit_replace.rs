//! No entry of the audit log is replaced: on SQLite, `INSERT OR REPLACE` removes the row in its way without asking
//! the trigger for deletions. On Postgres the trigger for updates sees all.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

// A row can be in the way by its identifier, or by the number that SQLite gives each row.
const UP_SQLITE: &[&str] = &["CREATE TRIGGER audit_log_replace BEFORE INSERT ON audit_log
    WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id OR rowid = NEW.rowid)
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"];

const DOWN_SQLITE: &[&str] = &["DROP TRIGGER audit_log_replace"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match manager.get_database_backend() {
            DbBackend::Postgres => Ok(()),
            _ => run(manager, UP_SQLITE).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match manager.get_database_backend() {
            DbBackend::Postgres => Ok(()),
            _ => run(manager, DOWN_SQLITE).await,
        }
    }
}
