#!/bin/sh
# Run once by the postgres image on an empty volume: the role and the database of the product.
# Row-level security does not bind a superuser or BYPASSRLS, so the product refuses to run as one.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$APP_PASSWORD" -U "$POSTGRES_USER" -d postgres <<'SQL'
CREATE ROLE app LOGIN CREATEDB NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE clientele OWNER app;
\connect clientele
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
SQL
