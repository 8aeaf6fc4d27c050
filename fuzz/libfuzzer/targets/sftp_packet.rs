//! libFuzzer at `spaces_fuzz::sftp_packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spaces_fuzz::sftp_packet(bytes));
