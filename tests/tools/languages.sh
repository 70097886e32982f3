#!/bin/sh
# Installs what turns JavaScript and Python into WebAssembly components, for the tests that build matchers in them:
# componentize-qjs by npm and componentize-py by pip, in the versions and with the digests that the templates name.
# Does nothing when they are there. Where: $MUSTER_TEST_TOOLS, or target/test-tools. Needs node, npm and python3.
# (C needs clang and lld, which are the system's.)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
templates=$here/../../src/cli/plugin/templates
mkdir -p "${MUSTER_TEST_TOOLS:-$here/../../target/test-tools}/bin"
tools=$(cd "${MUSTER_TEST_TOOLS:-$here/../../target/test-tools}" && pwd)
languages=$tools/languages
mkdir -p "$languages"

lock=$templates/js/package-lock.json
if ! { [ -x "$tools/bin/componentize-qjs" ] && cmp -s "$lock" "$languages/js/wanted"; }; then
    echo "installing componentize-qjs into $languages" >&2
    rm -rf "$languages/js"
    mkdir -p "$languages/js"
    cp "$lock" "$templates/js/package.json" "$languages/js/"
    # By the lock's digests, and without running anything of the packages. Not by `npm ci`, which wants bindings for
    # all systems to exist, and some were never published.
    (cd "$languages/js" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
    ln -sf ../languages/js/node_modules/.bin/componentize-qjs "$tools/bin/componentize-qjs"
    "$tools/bin/componentize-qjs" --help >/dev/null
    # Last, so that an installation that broke off is done again.
    cp "$lock" "$languages/js/wanted"
fi

wanted=$templates/python/requirements.txt
if ! { [ -x "$tools/bin/componentize-py" ] && cmp -s "$wanted" "$languages/python/wanted"; }; then
    echo "installing componentize-py into $languages" >&2
    rm -rf "$languages/python"
    "${PYTHON:-python3}" -m venv "$languages/python"
    "$languages/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$wanted"
    ln -sf ../languages/python/bin/componentize-py "$tools/bin/componentize-py"
    "$tools/bin/componentize-py" --version >/dev/null
    cp "$wanted" "$languages/python/wanted"
fi
