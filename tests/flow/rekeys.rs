//! New keys in the middle of everything, wanted by either side.

use std::io::{Read as _, Write as _};
use std::thread;

use spaces_tests::{Background, Multiplex, Pattern, Platform};

use crate::wire::{Packet, Wire, message};
use crate::{assert_bounded, expect_line, fill};

/// Megabytes of each file.
const SIZE: usize = 40;

#[test]
fn uploads_on_one_connection_survive_rekeys_from_either_side() {
    let platform = Platform::start_with(&[("LIMITS__REKEY_MIB", "1")]);
    let (alice, _) = platform.owner("alice@example.com", "room");
    for options in [&[][..], &["-o", "RekeyLimit=1M"]] {
        let connection = Multiplex::connect(&alice, options, "room");
        thread::scope(|scope| {
            for seed in 0..6 {
                let mut upload = Background::start(&mut connection.command(&["cat"]));
                let mut stdin = upload.stdin.take().expect("it is piped");
                scope.spawn(move || Pattern::new(seed).write_to(&mut stdin, 30));
                scope.spawn(move || {
                    Pattern::new(seed).expect_from(upload.stdout.as_mut().expect("it is piped"), 30);
                    assert!(upload.end().success());
                });
            }
        });
    }
    assert_bounded(&platform);
}

/// As a day at work: files go both ways, somebody types, and either side wants new keys each megabyte or each few.
#[test]
fn rekeys_by_either_side_disturb_neither_files_nor_typing() {
    for (ours, theirs) in [("1024", "1M"), ("1024", "16M"), ("1", "default"), ("1", "1M"), ("1", "16M")] {
        let platform = Platform::start_with(&[("LIMITS__REKEY_MIB", ours)]);
        let (alice, _) = platform.owner("alice@example.com", "room");
        let connection = Multiplex::connect(&alice, &["-o", &format!("RekeyLimit={theirs}")], "room");
        upload(&connection, 0);
        thread::scope(|scope| {
            for seed in 1..3 {
                scope.spawn({
                    let connection = &connection;
                    move || upload(connection, seed)
                });
                scope.spawn(|| download(&connection, 0));
            }
            type_and_read(&connection);
        });
        for seed in 1..3 {
            download(&connection, seed);
        }
        assert_bounded(&platform);
    }
}

fn upload(connection: &Multiplex<'_>, seed: u64) {
    let mut cat = Background::start(&mut connection.command(&[&format!("cat > file-{seed}")]));
    let mut stdin = cat.stdin.take().expect("it is piped");
    assert_eq!(Pattern::new(seed).write_to(&mut stdin, SIZE), SIZE);
    drop(stdin);
    assert!(cat.end().success());
}

fn download(connection: &Multiplex<'_>, seed: u64) {
    let mut cat = Background::start(&mut connection.command(&[&format!("cat file-{seed}")]));
    let stdout = cat.stdout.as_mut().expect("it is piped");
    Pattern::new(seed).expect_from(stdout, SIZE);
    assert_eq!(stdout.read(&mut [0]).expect("its end"), 0, "more came back than was sent");
    assert!(cat.end().success());
}

fn type_and_read(connection: &Multiplex<'_>) {
    let mut cat = Background::start(&mut connection.command(&["exec cat"]));
    for round in 0..300 {
        let line = format!("round {round}\n");
        cat.stdin.as_mut().expect("it is piped").write_all(line.as_bytes()).expect("it is read");
        expect_line(&mut cat, &line);
    }
    assert!(cat.end().success());
}

/// Six channels fill their windows before their client looks at what the gateway says: at its KEXINIT.
#[test]
fn uploads_under_way_when_the_gateway_wants_new_keys_are_no_attack() {
    let platform = Platform::start_with(&[("LIMITS__REKEY_MIB", "1")]);
    let (alice, _) = platform.owner("alice@example.com", "room");
    let mut client = Wire::connect(&platform, &alice, "room");
    let uploads: Vec<_> = (0..6).map(|_| client.run("cat > /dev/null")).collect();
    for upload in &uploads {
        fill(&mut client, message::CHANNEL_DATA, upload);
    }
    let kexinit = client.expect(message::KEXINIT);
    client.exchange_keys(&kexinit);
    for upload in &uploads {
        client.send(Packet::request(upload.number, "nonsense", 1));
        client.expect(message::CHANNEL_FAILURE);
    }
    assert_bounded(&platform);
}

/// The attack: let the gateway wait for our half of a rekey for ever, and have it keep an answer for each of
/// millions of requests meanwhile.
#[test]
fn a_rekey_that_a_client_never_answers_ends_its_connection_before_memory_fills() {
    let platform = Platform::start_with(&[("LIMITS__REKEY_MIB", "1")]);
    let (alice, _) = platform.owner("alice@example.com", "room");
    let mut hostile = Wire::connect(&platform, &alice, "room");
    let channel = hostile.run("cat > /dev/null");
    fill(&mut hostile, message::CHANNEL_DATA, &channel);
    hostile.expect(message::KEXINIT);
    let request = Packet::request(channel.number, "nonsense", 1);
    let sent = (0..10_000_000).take_while(|_| hostile.try_send(&request).is_ok()).count();
    assert!(sent < 10_000_000, "the gateway took {sent} requests");
    assert_bounded(&platform);
}
