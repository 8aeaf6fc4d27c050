//! The least of a client of HTTP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// `GET PATH`: status and body.
#[track_caller]
pub fn http_get(address: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).expect("it listens");
    write!(connection, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
