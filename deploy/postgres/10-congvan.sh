#!/bin/sh
# Run once by the image of PostgreSQL when its volume is empty: a login for the router that owns its database and can
# do nothing else. CONGVAN_DB_PASSWORD is the login's.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="${CONGVAN_DB_PASSWORD:?}" \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE congvan LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE congvan OWNER congvan;
REVOKE CONNECT, TEMPORARY ON DATABASE congvan, postgres FROM PUBLIC;
SQL
