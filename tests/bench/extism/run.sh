#!/bin/sh
# Builds one logic for muster and for Extism, and measures both beside a native closure. Arguments go to the benchmark.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/target}
guests=$target/guests

# In subshells: the compiler of the guests is not that of the benchmark.
(
    eval "$(../../tools/wasm-toolchain.sh)"
    cd component
    # Its lock follows what the SDK needs.
    CARGO_TARGET_DIR=$guests cargo build --release
)
(
    eval "$(../../tools/wasm-toolchain.sh)"
    # A core module, which is what Extism runs.
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=rust-lld
    cd module
    CARGO_TARGET_DIR=$guests cargo build --release --locked
)
built=$guests/wasm32-unknown-unknown/release
CARGO_TARGET_DIR=$target cargo run --release --locked -- "$built/bench_component.wasm" "$built/bench_module.wasm" "$@"
