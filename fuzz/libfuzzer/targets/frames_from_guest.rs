//! libFuzzer at `spaces_fuzz::frames_from_guest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spaces_fuzz::frames_from_guest(bytes));
