//! Each parser of what a peer sends, as a function of bytes: it must not panic, and what it takes it must give
//! back as it was. `tests/corpus.rs` runs them on `corpus/`, which `make test` does; `libfuzzer/` on whatever
//! libFuzzer comes up with (docs/fuzzing.md).

#![allow(clippy::missing_panics_doc, reason = "to panic where a promise is broken is what a target is for")]

pub mod corpus;
mod sftp;

use bytes::Bytes;
use spaces_protocol::auth_key::AuthKey;
use spaces_protocol::command::{Command, ConsoleCommand, Parsed, parse_console_line};
use spaces_protocol::frame::{Frame, FromGuest, LENGTH, Message, ToGuest};
use spaces_protocol::wire::parse_request;

/// One target.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const TARGETS: [(&str, Target); 6] = [
    ("frames_from_guest", frames_from_guest),
    ("frames_to_guest", frames_to_guest),
    ("console_line", console_line),
    ("request_line", request_line),
    ("auth_key", auth_key),
    ("sftp_packet", sftp_packet),
];

/// What the gateway reads of a guest.
pub fn frames_from_guest(bytes: &[u8]) {
    frames::<FromGuest>(bytes);
}

/// What a guest reads of the gateway.
pub fn frames_to_guest(bytes: &[u8]) {
    frames::<ToGuest>(bytes);
}

fn frames<T: Message + Clone + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(frame) = Frame::<T>::decode(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let again = frame.clone().into_wire().and_then(|(head, body)| {
        let mut whole = Bytes::from([head, body].concat());
        Frame::decode(whole.split_off(LENGTH))
    });
    assert_eq!(again.ok().as_ref(), Some(&frame), "a frame comes back as it was");
}

/// What somebody types after `ssh spaces@host`.
pub fn console_line(bytes: &[u8]) {
    let Ok(Parsed::Command(line)) = parse_console_line(bytes) else {
        return;
    };
    if let ConsoleCommand::Shared(command) = line.command {
        let json = serde_json::to_string(&command).unwrap_or_default();
        let again: Option<Command> = serde_json::from_str(&json).ok();
        assert_eq!(again.as_ref(), Some(&command), "what can be typed can be asked for in JSON: {json}");
    }
}

/// A line on the `spaces` subsystem.
pub fn request_line(bytes: &[u8]) {
    let Err(refusal) = parse_request(bytes) else {
        return;
    };
    let told = refusal.failure.to_string();
    assert!(!told.contains('\u{1b}'), "no peer steers the terminal that shows a refusal: {told:?}");
}

/// What somebody gives as an auth key.
pub fn auth_key(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(key) = text.parse::<AuthKey>() {
        assert_eq!(key.to_string(), text.trim(), "a key has one spelling");
    }
}

/// A packet of an SFTP client, without its length.
pub fn sftp_packet(bytes: &[u8]) {
    // Nothing to compare it with: the guest answers requests and never writes one.
    let _is_one = sftp::read(bytes);
}
