//! Guests that say nothing where an answer is due: each wait for them has an end.

use std::io::Read as _;
use std::net::TcpListener;

use spaces_protocol::frame::{FromGuest, Listening, Task};

use crate::{NO_ANSWER, Setting, told};

#[test]
fn a_guest_that_never_comes_is_waited_for_and_no_longer() {
    let mut setting = Setting::new();
    let client = setting.dial();
    setting.rogue.ticket();
    assert!(told(client).1.contains(NO_ANSWER));
    let client = setting.ssh(&["-v", "-o", "ExitOnForwardFailure=yes", "-R", "7000:localhost:9"], &["true"]);
    let (mut line, task) = setting.rogue.channel();
    assert!(matches!(task, Task::Listen { .. }), "{task:?}");
    line.expect_end();
    let (status, text) = told(client);
    assert!(status == Some(255) && text.contains("the space did not answer in time"), "{text}");
    setting.assert_unharmed();
}

/// The attack: a connection is offered to the client, which takes it, and nobody is at its other end.
#[test]
fn a_connection_that_is_never_handed_over_is_closed_at_the_client() {
    let mut setting = Setting::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").port();
    let _client = setting.ssh(&["-N", "-R", &format!("7000:127.0.0.1:{target}")], &[]);
    let (mut line, _task) = setting.rogue.channel();
    line.say(FromGuest::Listening(Listening::Port(7000)));
    line.say(FromGuest::Accepted { connection: 1, from: None });
    let (mut stream, _) = listener.accept().expect("the client connects");
    stream.set_read_timeout(Some(std::time::Duration::from_mins(1))).expect("a deadline");
    let (mut adopting, task) = setting.rogue.channel();
    assert_eq!(task, Task::Adopt { connection: 1 });
    assert_eq!(stream.read(&mut [0]).expect("its end"), 0);
    adopting.expect_end();
    // The listener goes on.
    line.say(FromGuest::Accepted { connection: 2, from: None });
    let (_stream, _) = listener.accept().expect("the client connects again");
    setting.assert_unharmed();
}
