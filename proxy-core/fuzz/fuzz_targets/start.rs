//! See `muster_proxy::fuzz::start`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| muster_proxy::fuzz::start(data));
