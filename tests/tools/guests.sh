#!/bin/sh
# Builds the plugins of this repository to WebAssembly, for the tests that run them in the host.
# Where: guests/wasm32-unknown-unknown/release in $MUSTER_TEST_TOOLS, or in target/test-tools. What cargo has built
# before it does not build again.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=${MUSTER_TEST_TOOLS:-$here/../../target/test-tools}
mkdir -p "$tools"
guests=$(cd "$tools" && pwd)/guests
mkdir -p "$guests"

# For the tests that build a plugin themselves.
"$here/wasm-toolchain.sh" >"$guests/env.new"
mv "$guests/env.new" "$guests/env"

# shellcheck disable=SC1091  # made above
. "$guests/env"
cd "$here/../../plugins"
CARGO_TARGET_DIR=$guests cargo build --release --locked --target wasm32-unknown-unknown
