//! Guests that say nothing where an answer is due: each wait for them has an end.

use std::io::Read as _;
use std::net::TcpListener;

use spaces_protocol::frame::{Exit, FromGuest, Listening, Task};
use spaces_tests::{Background, Multiplex};

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

/// The attack: a Space that takes its time to listen, to hold up all else on its client's connection. What was asked
/// first is answered first all the same.
#[test]
fn a_space_that_is_slow_to_listen_holds_up_no_other_channel() {
    let Setting { platform: _platform, mallory, mut rogue, .. } = Setting::new();
    let multiplex = Multiplex::connect(&mallory, &[], "lair");
    let listen = |target| Background::start(&mut multiplex.control("forward", &["-R", target]));
    let first = listen("0:localhost:8");
    let (mut slow, task) = rogue.channel();
    assert!(matches!(task, Task::Listen { .. }), "{task:?}");
    let second = listen("0:localhost:9");
    let (mut quick, task) = rogue.channel();
    assert!(matches!(task, Task::Listen { .. }), "{task:?}");
    quick.say(FromGuest::Listening(Listening::Port(40_002)));
    let program = Background::start(&mut multiplex.command(&["true"]));
    let (mut line, task) = rogue.channel();
    assert!(matches!(task, Task::Run(_)), "{task:?}");
    line.say(FromGuest::Started);
    line.say(FromGuest::Exited(Exit::Status(7)));
    drop(line);
    assert_eq!(program.end().code(), Some(7), "it ran while both were waited for");
    slow.say(FromGuest::Listening(Listening::Port(40_001)));
    for (client, port) in [(first, "40001\n"), (second, "40002\n")] {
        let mut client = client;
        let mut text = String::new();
        client.stdout.as_mut().expect("it is piped").read_to_string(&mut text).expect("text");
        assert_eq!(text, port);
    }
}
