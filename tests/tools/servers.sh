#!/bin/sh
# Installs the servers that the integration tests start, into a virtual environment of the project's own.
# Does nothing when they are there in the wanted versions. Where: $MUSTER_TEST_TOOLS, or target/test-tools.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=${MUSTER_TEST_TOOLS:-$here/../../target/test-tools}
wanted=$here/requirements.txt
python=${PYTHON:-python3}

# Prometheus's tool checks the rules and the dashboard that muster prints. Debian has it in a package whose service
# is not wanted here, so the one program is taken out of it.
fetch_promtool() {
    mkdir -p "$tools/bin"
    if there=$(command -v promtool); then
        ln -sf "$there" "$tools/bin/promtool"
        return
    fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        echo "missing: promtool, a part of Prometheus; put it into PATH and run this again" >&2
        exit 1
    fi
    echo "fetching promtool into $tools" >&2
    package=$(mktemp -d)
    (
        cd "$package"
        apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }
        dpkg-deb --fsys-tarfile ./*.deb | tar --extract --strip-components=3 ./usr/bin/promtool
    )
    mv "$package/promtool" "$tools/bin/promtool"
    rm -rf "$package"
    "$tools/bin/promtool" --version >/dev/null 2>&1
}

[ -x "$tools/bin/promtool" ] || fetch_promtool
if [ -x "$tools/bin/moto_server" ] && cmp -s "$wanted" "$tools/requirements.txt"; then
    exit 0
fi
echo "installing test servers into $tools" >&2
mkdir -p "$tools"
"$python" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
"$tools/bin/moto_server" --help >/dev/null
# Last, so that an installation that broke off is done again.
cp "$wanted" "$tools/requirements.txt"
