#!/bin/bash
# Runs once, when the database's volume is new: the two roles of Fanfare and its database.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v owner="$FANFARE_OWNER_PASSWORD" -v app="$FANFARE_APP_PASSWORD" \
  --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE fanfare_owner LOGIN PASSWORD :'owner';
CREATE ROLE fanfare_app LOGIN PASSWORD :'app';
CREATE DATABASE fanfare OWNER fanfare_owner;
REVOKE ALL ON DATABASE fanfare FROM PUBLIC;
GRANT CONNECT ON DATABASE fanfare TO fanfare_app;
SQL
