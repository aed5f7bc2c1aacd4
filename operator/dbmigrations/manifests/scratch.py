"""The throwaway PostgreSQL of a rehearsal: how any image with a server is made to run one.

The runner's `load` writes ``settings/`` while the image is still starting, and looks at ``settings/failed`` when the
server does not come: a Pod's init container cannot read another container's log.
"""

from __future__ import annotations

SUPERUSER = "dbmigrations_scratch"
"""The role that is ours alone; it may only come by the socket, which the application's container does not have."""

# Not `exec postgres`: somebody must be left to say why it did not start, and to turn SIGTERM, at which PostgreSQL would
# wait for its clients, into an immediate end. Everything is run in the background, since a shell looks at its traps
# only between two commands, and during `wait`.
START_SCRIPT = r"""
set -u
folder="${DBM_SCRATCH:-/dbm-scratch}"
data="$folder/data"
settings="$folder/settings"
umask 022
child=""
stop() {
  trap '' TERM INT
  if [ -n "$child" ]; then kill -QUIT "$child" 2>/dev/null; wait "$child" 2>/dev/null; fi
  exit 143
}
trap stop TERM INT
fail() {
  echo "$1" >&2
  printf '%s\n' "$1" > "$settings/failed.new" && mv "$settings/failed.new" "$settings/failed"
  exit 1
}
said() { tail -n 3 "$folder/said" 2>/dev/null | tr '\n' ' ' | cut -c 1-300; }

until [ -e "$settings/ready" ]; do sleep 0.05 & child=$!; wait "$child"; done
child=""
rm -f "$settings/failed"

find_binaries() {
  if [ -n "${DBM_SCRATCH_BIN:-}" ]; then echo "$DBM_SCRATCH_BIN"; return; fi
  newest=0
  found=""
  for bin in /usr/lib/postgresql/*/bin; do
    major="${bin#/usr/lib/postgresql/}"
    major="${major%/bin}"
    case "$major" in *[!0-9]*) continue ;; esac
    if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] && [ "$major" -gt "$newest" ]; then
      newest="$major"
      found="$bin"
    fi
  done
  if [ -z "$found" ]; then
    on_path="$(command -v postgres 2>/dev/null || true)"
    for bin in /usr/local/bin /usr/local/pgsql/bin /usr/libexec/postgresql* "${on_path%/postgres}"; do
      if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then found="$bin"; break; fi
    done
  fi
  echo "$found"
}
bin="$(find_binaries)"
[ -n "$bin" ] || fail "the image has no PostgreSQL server: neither initdb nor postgres was found"

if [ ! -e "$folder/initialised" ]; then
  # initdb looks the user up, and a user id that is only Kubernetes' has no entry.
  if ! id -un >/dev/null 2>&1; then
    echo "scratch:x:$(id -u):$(id -g)::/:/bin/sh" >> /etc/passwd 2>/dev/null
  fi 2>/dev/null
  id -un >/dev/null 2>&1 || fail "the user id $(id -u) has no entry in the image's /etc/passwd, which initdb needs"
  rm -rf "$data"
  LC_ALL=C TZ=UTC "$bin/initdb" -D "$data" -U dbmigrations_scratch -A trust -E UTF8 --locale=C --no-sync \
    > "$folder/said" 2>&1 &
  child=$!
  wait "$child" || fail "initdb failed: $(said)"
  child=""
  cat "$settings/postgresql.conf" >> "$data/postgresql.conf" || fail "the settings could not be copied"
  cp "$settings/pg_hba.conf" "$data/pg_hba.conf" || fail "pg_hba.conf could not be copied"
  if LC_ALL=C "$bin/postgres" -D "$data" -c ssl=on -C ssl >/dev/null 2>&1; then
    (umask 077 && cp "$settings/server.key" "$data/server.key") || fail "the key could not be copied"
    cp "$settings/server.crt" "$data/server.crt" || fail "the certificate could not be copied"
    echo "ssl = on" >> "$data/postgresql.conf"
  else
    echo "this PostgreSQL was built without TLS" >&2
  fi
  : > "$folder/initialised"
fi
rm -f "$data/postmaster.pid"
LC_ALL=C TZ=UTC "$bin/postgres" -D "$data" > "$folder/said" 2>&1 &
child=$!
wait "$child"
fail "the server ended with code $?: $(said)"
""".strip()
