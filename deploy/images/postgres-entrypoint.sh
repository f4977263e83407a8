#!/bin/sh
# Makes the data folder at the first start, then becomes the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD_FILE:?names the file with the superuser's password}"
  rm -rf "$PGDATA.new"
  mkdir -p "$(dirname "$PGDATA")"
  initdb -D "$PGDATA.new" -U postgres -E UTF8 --auth=scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" \
    --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
  mv "$PGDATA.new" "$PGDATA"
fi
case ${1:-} in -*) set -- postgres "$@" ;; esac
exec "$@" -D "$PGDATA" -c 'listen_addresses=*' -c unix_socket_directories=/run/postgresql
