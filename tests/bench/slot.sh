#!/bin/bash
# The whole of muster in the slot of a benchmark of proxies: one PostgreSQL behind, a certificate required, everything on.
#
# It is told by the environment where to listen (BENCH_LISTEN_HOST, BENCH_LISTEN_PORT), where the server is (BENCH_UP_HOST,
# _PORT, _NAME, _USER, _PASSWORD, _DB), who signed its certificate (BENCH_CA), where there is room (BENCH_DIR) and where to
# write the certificate for the load generator (BENCH_SLOT_ENV). It stays in the foreground.
# MUSTER names the program; the default is the release build of this checkout.
set -euo pipefail
[ "${BENCH_SUITE:-pg}" = pg ] || exit 0
here=$(cd "$(dirname "$0")/../.." && pwd)
muster=${MUSTER:-$here/target/release/muster}
dir=$BENCH_DIR
umask 077
printf '%s' "$BENCH_UP_PASSWORD" > "$dir/password"
cat > "$dir/muster.yaml" <<YAML
version: 1
store: store
policy: upsert-only
service: { listen: off }
proxy:
  listen: $BENCH_LISTEN_HOST:$BENCH_LISTEN_PORT
  workers: ${BENCH_THREADS:-2}
  handshakes_per_address: 4096
  trust: $BENCH_CA
  hosts: { $BENCH_UP_NAME: $BENCH_UP_HOST }
  secrets: { databases: { "*": "*" }, password_file: $dir/password }
YAML
cat > "$dir/records.yaml" <<YAML
kind: db
version: v3
metadata: { name: bench, labels: { env: bench } }
spec: { protocol: postgres, uri: "$BENCH_UP_NAME:$BENCH_UP_PORT" }
---
kind: role
version: v7
metadata: { name: bench }
spec: { allow: { db_labels: { "*": "*" }, db_users: ["*"], db_names: ["*"] } }
---
kind: user
version: v2
metadata: { name: bench }
spec: { roles: [bench] }
YAML
cd "$dir"
export MUSTER_CONFIG=$dir/muster.yaml
"$muster" create --force -f records.yaml > created.log
"$muster" auth sign --user bench --db bench --db-user "$BENCH_UP_USER" --db-name "$BENCH_UP_DB" --out bench > signed.log
cat > "$BENCH_SLOT_ENV" <<ENV
SLOT_CERT=$dir/bench.crt
SLOT_KEY=$dir/bench.key
SLOT_CA=$dir/bench.ca
SLOT_USER=$BENCH_UP_USER
SLOT_DB=$BENCH_UP_DB
ENV
exec "$muster" run > run.log 2>&1
