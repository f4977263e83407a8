#!/bin/sh
# Makes the data folder at the first start, then becomes the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ "$method" = trust ]; then
    # Test servers: nothing in them must outlive a crash of the host.
    options='--auth=trust --no-sync'
  else
    : "${POSTGRES_PASSWORD_FILE:?names the file with the superuser's password}"
    options="--auth=$method --pwfile=$POSTGRES_PASSWORD_FILE"
  fi
  rm -rf "$PGDATA.new"
  mkdir -p "$(dirname "$PGDATA")"
  # shellcheck disable=SC2086 -- several options
  initdb -D "$PGDATA.new" -U postgres -E UTF8 $options \
    --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C >/dev/null
  echo "host all all all $method" >>"$PGDATA.new/pg_hba.conf"
  mv "$PGDATA.new" "$PGDATA"
fi
case ${1:-} in -*) set -- postgres "$@" ;; esac
exec "$@" -D "$PGDATA" -c 'listen_addresses=*' -c unix_socket_directories=/run/postgresql
