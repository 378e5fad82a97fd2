-- Who may do what in the database: docs/operations.md, "Roles in the database". Run by psql as the owner, after each
-- `lamplighter migrate` (the service `roles` of compose.yaml); again does no harm.

\getenv app_password LAMPLIGHTER_APP_PASSWORD

-- Whatever goes wrong: no password in the server's log.
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

SELECT 'CREATE ROLE lamplighter_app LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lamplighter_app') \gexec
-- Nobody gets in by it before the owner gives it a password.
SELECT 'CREATE ROLE lamplighter_audit LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lamplighter_audit') \gexec

ALTER ROLE lamplighter_app PASSWORD :'app_password';

GRANT USAGE ON SCHEMA public TO lamplighter_app, lamplighter_audit;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lamplighter_app;
REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM lamplighter_app;
REVOKE UPDATE, DELETE ON audit_log FROM lamplighter_app;
GRANT SELECT ON audit_log TO lamplighter_audit;
