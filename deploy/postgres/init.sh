#!/bin/sh
# Run by the postgres image on an empty data folder. The passwords go from files to psql, never through arguments.
set -eu
psql -v ON_ERROR_STOP=1 --no-psqlrc --username postgres --dbname postgres <<'SQL'
\set migrator_password `cat /run/secrets/postgres_migrator_password`
\set policy_password `cat /run/secrets/postgres_policy_password`
\set exchange_password `cat /run/secrets/postgres_exchange_password`
\set audit_password `cat /run/secrets/postgres_audit_password`
\i /etc/countersign/init.sql
SQL
