#!/bin/sh
# Installs the servers that the integration tests start, into a virtual environment of the project's own.
# Does nothing when they are there in the wanted versions. Where: $MUSTER_TEST_TOOLS, or target/test-tools.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=${MUSTER_TEST_TOOLS:-$here/../../target/test-tools}
wanted=$here/requirements.txt
python=${PYTHON:-python3}

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
