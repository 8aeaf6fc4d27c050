//! libFuzzer at `spaces_fuzz::console_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spaces_fuzz::console_line(bytes));
