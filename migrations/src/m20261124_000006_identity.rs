//! People: how they prove who they are, their sessions, and what is sent to them for proof.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Accounts from before were made on the server's machine: trusted, and without limits.
    "ALTER TABLE users ADD COLUMN password_hash text",
    "ALTER TABLE users ADD COLUMN display_name text NOT NULL DEFAULT ''",
    "ALTER TABLE users ADD COLUMN locale text",
    "ALTER TABLE users ADD COLUMN plan text NOT NULL DEFAULT 'unlimited'",
    "ALTER TABLE users ADD COLUMN is_guest boolean NOT NULL DEFAULT false",
    "ALTER TABLE users ADD COLUMN verified_at bigint",
    "ALTER TABLE users ADD COLUMN approved_at bigint",
    "ALTER TABLE users ADD COLUMN disabled_at bigint",
    "ALTER TABLE users ADD COLUMN delete_at bigint",
    "ALTER TABLE users ADD COLUMN last_login_at bigint",
    "ALTER TABLE users ADD COLUMN last_login_address text",
    "UPDATE users SET verified_at = created_at, approved_at = created_at",
    "CREATE INDEX users_to_delete ON users (delete_at) WHERE delete_at IS NOT NULL",
    // Of the cookie only the fingerprint is kept.
    "CREATE TABLE sessions (
        id {uuid} PRIMARY KEY,
        user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        fingerprint {bytes} NOT NULL UNIQUE,
        created_at bigint NOT NULL,
        authenticated_at bigint NOT NULL,
        seen_at bigint NOT NULL,
        expires_at bigint NOT NULL,
        ended_at bigint,
        address text,
        user_agent text
    )",
    "CREATE INDEX sessions_of_user ON sessions (user_id, id)",
    "CREATE INDEX sessions_expiry ON sessions (expires_at)",
    // What was sent by mail (or told on the server's machine) and proves something when it comes back.
    "CREATE TABLE challenges (
        id {uuid} PRIMARY KEY,
        user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        purpose text NOT NULL CHECK (purpose IN ('verify', 'email', 'reset', 'setup')),
        fingerprint {bytes} NOT NULL UNIQUE,
        code_fingerprint {bytes},
        email text NOT NULL,
        created_at bigint NOT NULL,
        expires_at bigint NOT NULL,
        code_expires_at bigint,
        tries integer NOT NULL DEFAULT 0,
        used_at bigint
    )",
    "CREATE INDEX challenges_of_user ON challenges (user_id, purpose)",
    "CREATE INDEX challenges_of_email ON challenges (email)",
    "CREATE INDEX challenges_expiry ON challenges (expires_at)",
    "CREATE TABLE invitations (
        id {uuid} PRIMARY KEY,
        fingerprint {bytes} NOT NULL UNIQUE,
        email text,
        role text NOT NULL CHECK (role IN ('user', 'admin')),
        plan text NOT NULL,
        created_by {uuid},
        created_at bigint NOT NULL,
        expires_at bigint NOT NULL,
        used_at bigint,
        used_by {uuid},
        revoked_at bigint
    )",
    // Accounts at issuers of OpenID Connect.
    "CREATE TABLE identities (
        issuer text NOT NULL,
        subject text NOT NULL,
        user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        email text,
        created_at bigint NOT NULL,
        last_login_at bigint,
        PRIMARY KEY (issuer, subject)
    )",
    "CREATE INDEX identities_of_user ON identities (user_id)",
    // Tries at what must not be guessed: a rate each key (GCRA), and failures in a row.
    "CREATE TABLE attempts (
        key text PRIMARY KEY,
        full_at bigint NOT NULL,
        failures integer NOT NULL DEFAULT 0,
        blocked_until bigint NOT NULL DEFAULT 0
    )",
    "CREATE INDEX attempts_full ON attempts (full_at)",
];

const DOWN: &[&str] = &[
    "DROP TABLE attempts",
    "DROP TABLE identities",
    "DROP TABLE invitations",
    "DROP TABLE challenges",
    "DROP TABLE sessions",
    "DROP INDEX users_to_delete",
    "ALTER TABLE users DROP COLUMN last_login_address",
    "ALTER TABLE users DROP COLUMN last_login_at",
    "ALTER TABLE users DROP COLUMN delete_at",
    "ALTER TABLE users DROP COLUMN disabled_at",
    "ALTER TABLE users DROP COLUMN approved_at",
    "ALTER TABLE users DROP COLUMN verified_at",
    "ALTER TABLE users DROP COLUMN is_guest",
    "ALTER TABLE users DROP COLUMN plan",
    "ALTER TABLE users DROP COLUMN locale",
    "ALTER TABLE users DROP COLUMN display_name",
    "ALTER TABLE users DROP COLUMN password_hash",
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
