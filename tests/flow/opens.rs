//! Clients that open more than they may.

use spaces_tests::{Multiplex, Platform};

use crate::assert_bounded;
use crate::wire::{Packet, Wire, message, number_at};

/// As in config/gateway.toml.
const MOST: usize = 512;

/// How many a client asks for, of which it gets [`MOST`].
const ASKED: u32 = 10_000;

/// RFC 4254, section 5.1.
const RESOURCE_SHORTAGE: u32 = 4;

fn open(kind: &[u8], number: u32) -> Packet {
    Packet::new(90).string(kind).number(number).number(2 << 20).number(32 << 10)
}

/// The answers to all opens: how many were confirmed, the first of those, and the reasons of the others.
fn answers(client: &mut Wire) -> (usize, Option<u32>, Vec<u32>) {
    let (mut confirmed, mut first, mut reasons) = (0, None, Vec::new());
    while confirmed + reasons.len() < ASKED as usize {
        let packet = client.receive().expect("an answer");
        match packet[0] {
            message::CHANNEL_OPEN_CONFIRMATION => {
                confirmed += 1;
                first = first.or(Some(number_at(&packet, 5)));
            }
            message::CHANNEL_OPEN_FAILURE => reasons.push(number_at(&packet, 5)),
            _ => {}
        }
    }
    (confirmed, first, reasons)
}

/// The attack: ten thousand channels on one connection, for each of which the gateway might keep a window.
#[test]
fn of_ten_thousand_channel_opens_those_beyond_the_limit_are_refused() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let bystander = Multiplex::connect(&alice, &[], "room");
    let mut hostile = Wire::connect(&platform, &alice, "room");
    for number in 0..ASKED {
        hostile.send(open(b"session", number));
    }
    let (confirmed, first, reasons) = answers(&mut hostile);
    assert_eq!(confirmed, MOST);
    assert!(reasons.iter().all(|reason| *reason == RESOURCE_SHORTAGE), "{reasons:?}");
    assert_eq!(bystander.ssh(&["echo alive"]).ok(), "alive\n");
    // Its own channels work, and one that it closes makes room for another.
    let first = first.expect("one is open");
    hostile.send(Packet::request(first, "exec", 1).string(b"echo mine"));
    hostile.expect(message::CHANNEL_SUCCESS);
    hostile.expect(message::CHANNEL_DATA);
    hostile.expect(message::CHANNEL_CLOSE);
    // Not yet: it is over when both have closed it.
    hostile.send(open(b"session", ASKED));
    hostile.expect(message::CHANNEL_OPEN_FAILURE);
    hostile.send(Packet::new(message::CHANNEL_CLOSE).number(first));
    hostile.send(open(b"session", ASKED));
    hostile.expect(message::CHANNEL_OPEN_CONFIRMATION);
    assert_bounded(&platform);
}

/// The same with forwards, each of which the Space is to dial.
#[test]
fn of_ten_thousand_forwards_none_is_more_than_the_limit_allows() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let bystander = Multiplex::connect(&alice, &[], "room");
    let mut hostile = Wire::connect(&platform, &alice, "room");
    for number in 0..ASKED {
        let packet = open(b"direct-tcpip", number).string(b"127.0.0.1").number(9);
        hostile.send(packet.string(b"127.0.0.1").number(1));
    }
    // Nobody listens there, and for most there is not even an attempt.
    let (confirmed, _, reasons) = answers(&mut hostile);
    assert_eq!((confirmed, reasons.len()), (0, ASKED as usize));
    assert!(reasons.contains(&RESOURCE_SHORTAGE));
    assert_eq!(bystander.ssh(&["echo alive"]).ok(), "alive\n");
    let channel = hostile.run("exec true");
    assert!(channel.window > 0);
    assert_bounded(&platform);
}
