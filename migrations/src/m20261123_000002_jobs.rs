//! Jobs, their payloads, lanes and queues, idempotency keys, and the workers that run them.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &[&str] = &[
    // Narrow: inputs and outputs stand in job_payloads, so that a heartbeat rewrites little.
    "CREATE TABLE jobs (
        id {uuid} PRIMARY KEY,
        owner_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        model text NOT NULL,
        task text NOT NULL,
        share_key text NOT NULL,
        priority text NOT NULL CHECK (priority IN ('low', 'normal', 'high')),
        state text NOT NULL CHECK (state IN ('queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired')),
        rank bigint NOT NULL,
        attempt integer NOT NULL DEFAULT 0,
        epoch bigint NOT NULL DEFAULT 0,
        crashes integer NOT NULL DEFAULT 0,
        lease_losses integer NOT NULL DEFAULT 0,
        solo boolean NOT NULL DEFAULT false,
        boot {uuid},
        worker text,
        created_at bigint NOT NULL,
        run_at bigint NOT NULL,
        start_deadline bigint NOT NULL,
        run_timeout_ms bigint NOT NULL,
        started_at bigint,
        lease_until bigint,
        suspect_at bigint,
        completed_at bigint,
        cancel_requested_at bigint,
        error text,
        metrics text,
        last_epoch bigint NOT NULL DEFAULT 0,
        last_seq bigint NOT NULL DEFAULT 0,
        metadata text,
        retry_of {uuid},
        data_removed boolean NOT NULL DEFAULT false
    )",
    "CREATE INDEX jobs_queue ON jobs (model, rank, id) WHERE state = 'queued'",
    "CREATE INDEX jobs_deadline ON jobs (start_deadline) WHERE state = 'queued'",
    "CREATE INDEX jobs_lease ON jobs (lease_until) WHERE state = 'processing'",
    "CREATE INDEX jobs_of_owner ON jobs (owner_id, id)",
    "CREATE INDEX jobs_rate ON jobs (model, completed_at) WHERE state IN ('succeeded', 'failed')",
    "CREATE TABLE job_payloads (
        job_id {uuid} PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
        input text NOT NULL,
        output text
    )",
    // The jobs of one share at one priority of one model; counts are kept by submit, claim and finish.
    "CREATE TABLE lanes (
        model text NOT NULL,
        share_key text NOT NULL,
        priority text NOT NULL,
        last_rank bigint NOT NULL,
        waiting bigint NOT NULL,
        running bigint NOT NULL,
        running_cap integer,
        PRIMARY KEY (model, share_key, priority),
        CHECK (waiting >= 0 AND running >= 0)
    )",
    // A claim reads the capped lanes of its model, and most have no cap.
    "CREATE INDEX lanes_capped ON lanes (model, share_key) WHERE running_cap IS NOT NULL",
    // How far the queue of a model has come.
    "CREATE TABLE queues (
        model text PRIMARY KEY,
        last_claimed_rank bigint NOT NULL
    )",
    "CREATE TABLE idempotency_keys (
        owner_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        key text NOT NULL,
        body_hash {bytes} NOT NULL,
        job_id {uuid} NOT NULL,
        expires_at bigint NOT NULL,
        PRIMARY KEY (owner_id, key)
    )",
    "CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)",
    "CREATE TABLE workers (
        boot {uuid} PRIMARY KEY,
        name text NOT NULL,
        host text NOT NULL,
        version text NOT NULL,
        models text NOT NULL,
        started_at bigint NOT NULL,
        last_seen_at bigint NOT NULL
    )",
];

/// A terminal row never changes state, whoever writes.
const TERMINAL_SQLITE: &str = "CREATE TRIGGER jobs_terminal BEFORE UPDATE OF state ON jobs
    WHEN OLD.state IN ('succeeded', 'failed', 'canceled', 'expired') AND NEW.state IS NOT OLD.state
    BEGIN SELECT RAISE(ABORT, 'a terminal job never changes state'); END";

const TERMINAL_POSTGRES: &[&str] = &[
    "CREATE FUNCTION jobs_terminal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'a terminal job never changes state'; END $$",
    "CREATE TRIGGER jobs_terminal BEFORE UPDATE OF state ON jobs FOR EACH ROW
    WHEN (OLD.state IN ('succeeded', 'failed', 'canceled', 'expired') AND NEW.state IS DISTINCT FROM OLD.state)
    EXECUTE FUNCTION jobs_terminal()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => run(manager, TERMINAL_POSTGRES).await,
            _ => run(manager, &[TERMINAL_SQLITE]).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "workers",
            "idempotency_keys",
            "queues",
            "lanes",
            "job_payloads",
            "jobs",
        ] {
            run(manager, &[&format!("DROP TABLE {table}")]).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            run(manager, &["DROP FUNCTION jobs_terminal()"]).await?;
        }
        Ok(())
    }
}
