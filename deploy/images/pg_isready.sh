#!/bin/sh
# The server writes its state into the eighth line of its pid file.
[ "$(sed -n 8p "$PGDATA/postmaster.pid" 2>/dev/null | tr -d ' ')" = ready ]
