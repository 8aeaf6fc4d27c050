//! What a guest says, for scripts that pretend to be one.

use spaces_protocol::frame::{Frame, FromGuest, Hello, VERSION};

/// The greeting on its control connection, in hexadecimal digits.
pub fn guest_greeting() -> String {
    let hello = Frame::Message(FromGuest::Hello(Hello::Control { version: VERSION }));
    let (head, body) = hello.into_wire().expect("a frame");
    let digits = head.iter().chain(&body[..]).flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}
