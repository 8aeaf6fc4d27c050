//! libFuzzer at `spaces_fuzz::auth_key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spaces_fuzz::auth_key(bytes));
