//! The database schema: one change a file, up and down, the same text for Postgres and SQLite.
//!
//! Times are unix milliseconds (`bigint`, columns named `…_at`): one arithmetic in both dialects, and
//! the statements put in the database's own clock. Names of states are text, held by CHECKs.

mod m20261123_000001_accounts;
mod m20261123_000002_jobs;
mod m20261123_000003_fleet;
mod m20261123_000004_retention;
mod m20261123_000005_trace;
mod m20261124_000006_identity;
mod m20261124_000007_tokens;
mod m20261124_000008_limits;
mod m20261124_000009_tasks;
mod m20261124_000010_audit;
mod m20261129_000015_audit_order;
mod m20261129_000016_audit_replace;
mod m20261129_000017_token_shares;
mod m20261129_000018_disabled_models;
mod m20261130_000019_jobs_of_task;
mod m20261130_000020_runs;

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement},
};

/// All changes, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_accounts::Migration),
            Box::new(m20261123_000002_jobs::Migration),
            Box::new(m20261123_000003_fleet::Migration),
            Box::new(m20261123_000004_retention::Migration),
            Box::new(m20261123_000005_trace::Migration),
            Box::new(m20261124_000006_identity::Migration),
            Box::new(m20261124_000007_tokens::Migration),
            Box::new(m20261124_000008_limits::Migration),
            Box::new(m20261124_000009_tasks::Migration),
            Box::new(m20261124_000010_audit::Migration),
            Box::new(m20261129_000015_audit_order::Migration),
            Box::new(m20261129_000016_audit_replace::Migration),
            Box::new(m20261129_000017_token_shares::Migration),
            Box::new(m20261129_000018_disabled_models::Migration),
            Box::new(m20261130_000019_jobs_of_task::Migration),
            Box::new(m20261130_000020_runs::Migration),
        ]
    }
}

pub use sea_orm_migration::MigratorTrait;

/// How many changes the database lacks. Changes that only a newer program knows are no matter here.
///
/// # Errors
/// Where the database fails.
pub async fn pending(db: &DatabaseConnection) -> Result<usize, DbErr> {
    let mut names: Vec<String> = Migrator::migrations()
        .iter()
        .map(|change| change.name().to_owned())
        .collect();
    if SchemaManager::new(db).has_table("seaql_migrations").await? {
        let sql = "SELECT version FROM seaql_migrations";
        for row in db
            .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
            .await?
        {
            let applied: String = row.try_get("", "version")?;
            names.retain(|name| *name != applied);
        }
    }
    Ok(names.len())
}

/// Runs statements written for both dialects: `{uuid}` and `{bytes}` stand for the column types.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let (uuid, bytes) = match manager.get_database_backend() {
        DbBackend::Postgres => ("uuid", "bytea"),
        _ => ("blob", "blob"),
    };
    for statement in statements {
        let statement = statement.replace("{uuid}", uuid).replace("{bytes}", bytes);
        manager.get_connection().execute_unprepared(&statement).await?;
    }
    Ok(())
}
