#!/usr/bin/env bash
# Starts a throw-away PostgreSQL cluster, runs a command with its URL, and takes the cluster away.
#
#   test/postgres.sh go test ./store/...      run one command, then stop and delete the cluster
#   DRAWBRIDGE_TEST_FSYNC=on test/postgres.sh ...   with durability, as the crash tests want it
#
# The command sees DRAWBRIDGE_TEST_POSTGRES=postgres://...; the exit status is the command's.
# 69 means that there is no PostgreSQL on this machine. Needs initdb and pg_ctl (Debian: postgresql)
# and, as root, the user postgres, because PostgreSQL refuses to run as root.
set -euo pipefail

[ $# -gt 0 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 64; }

# Debian keeps the server's programs out of PATH, in a folder per version.
bin=
for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) $(IFS=:; printf '%s\n' $PATH) /usr/local/bin; do
  if [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ] && [ -x "$dir/postgres" ]; then bin=$dir; break; fi
done
[ -n "$bin" ] || { echo "test/postgres.sh: no initdb, pg_ctl and postgres found (Debian: apt-get install postgresql)" >&2; exit 69; }

if [ "$(id -u)" = 0 ] && ! id postgres >/dev/null 2>&1; then
  echo "test/postgres.sh: running as root, and there is no user postgres to run the server as" >&2
  exit 69
fi

home=$(mktemp -d /tmp/drawbridge-pg.XXXXXX)
as_server() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  chown postgres "$home"
  as_server() { (cd "$home" && exec runuser -u postgres -- "$@"); }
fi

stop() {
  local status=$?
  trap - EXIT INT TERM HUP
  if [ -f "$home/data/postmaster.pid" ]; then
    as_server "$bin/pg_ctl" -D "$home/data" -m immediate -w -t 20 stop >/dev/null 2>&1 || true
  fi
  rm -rf "$home"
  exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fsync=${DRAWBRIDGE_TEST_FSYNC:-off}
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
(umask 077; printf '%s' "$password" >"$home/password")
[ "$(id -u)" != 0 ] || chown postgres "$home/password"
as_server "$bin/initdb" -D "$home/data" -U drawbridge -A scram-sha-256 --pwfile="$home/password" \
  --no-sync -E UTF8 --locale=C.UTF-8 >"$home/initdb.log" 2>&1 || { cat "$home/initdb.log" >&2; exit 1; }
as_server tee -a "$home/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$home'
max_connections = 400
shared_buffers = 64MB
fsync = $fsync
synchronous_commit = $fsync
full_page_writes = $fsync
CONF

# The port is drawn, not asked for, so another program may hold it: hence the tries.
started=
for _ in 1 2 3 4 5; do
  port=$(( (RANDOM % 20000) + 20000 ))
  if as_server "$bin/pg_ctl" -D "$home/data" -l "$home/server.log" -o "-p $port" -w -t 30 start >/dev/null 2>&1; then
    started=1; break
  fi
done
[ -n "$started" ] || { echo "test/postgres.sh: the server does not start:" >&2; tail -20 "$home/server.log" >&2; exit 1; }

export DRAWBRIDGE_TEST_POSTGRES="postgres://drawbridge:$password@127.0.0.1:$port/postgres?sslmode=disable"
status=0
"$@" || status=$?
exit "$status"
