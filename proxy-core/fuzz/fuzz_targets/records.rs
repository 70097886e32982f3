//! See `muster_proxy::fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| muster_proxy::fuzz::records(data));
