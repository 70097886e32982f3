//! See `muster_proxy::fuzz::certificate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| muster_proxy::fuzz::certificate(data));
