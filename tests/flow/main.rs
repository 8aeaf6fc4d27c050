//! Flow control: each direction of each channel goes as fast as its reader, in bounded memory, and no channel
//! waits for another. On stock russh these fail; patches/russh-flow.patch says which of its hunks each is for.

mod opens;
mod rekeys;
mod wire;

use std::io::Read as _;
use std::thread;

use spaces_tests::{Background, Multiplex, Pattern, Platform, eventually};
use wire::{Packet, Wire, message};

/// More than a gateway needs for what it may keep of a few channels, far less than what goes through here.
const MOST_KIB: u64 = 80 * 1024;

#[test]
fn three_hundred_megabytes_go_both_ways_at_once_in_little_memory() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    // Slower than its client, as most programs are.
    let mut cat =
        Background::start(alice.ssh_command().args(["room@127.0.0.1", "cat | dd bs=128 status=none"]));
    let mut stdin = cat.stdin.take().expect("it is piped");
    let mut stdout = cat.stdout.take().expect("it is piped");
    let writer = thread::spawn(move || Pattern::new(1).write_to(&mut stdin, 300));
    Pattern::new(1).expect_from(&mut stdout, 300);
    assert_eq!(writer.join().expect("the writer does not panic"), 300);
    assert_eq!(stdout.read(&mut [0]).expect("its end"), 0, "more came back than was sent");
    assert!(cat.end().success());
    assert_bounded(&platform);
}

#[test]
fn a_program_that_reads_nothing_holds_its_client_back_and_no_sibling() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let connection = Multiplex::connect(&alice, &[], "room");
    let mut stalled = Background::start(&mut connection.command(&["echo ready; exec tail -f /dev/null"]));
    expect_line(&mut stalled, "ready\n");
    let mut stdin = stalled.stdin.take().expect("it is piped");
    let writer = thread::spawn(move || Pattern::new(1).write_to(&mut stdin, 300));
    // The siblings are the clock: what has not gone through while so many of them ran is held back.
    for _sibling in 0..50 {
        assert_eq!(connection.ssh(&["echo alive"]).ok(), "alive\n");
    }
    assert!(!writer.is_finished(), "300 MB went to a program that reads nothing");
    drop(stalled);
    let written = writer.join().expect("the writer does not panic");
    assert!(written < 10, "{written} MB were taken off a client whose program reads nothing");
    assert_bounded(&platform);
}

#[test]
fn a_client_that_stops_reading_holds_its_program_back_and_no_sibling() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let connection = Multiplex::connect(&alice, &[], "room");
    let mut unread = Background::start(&mut connection.command(&["echo ready; exec cat"]));
    expect_line(&mut unread, "ready\n");
    let mut stdin = unread.stdin.take().expect("it is piped");
    let writer = thread::spawn(move || Pattern::new(1).write_to(&mut stdin, 100));
    for _sibling in 0..20 {
        assert_eq!(connection.ssh(&["echo alive"]).ok(), "alive\n");
    }
    assert!(!writer.is_finished(), "100 MB came out of a program whose client reads nothing");
    // It goes on where it stopped.
    Pattern::new(1).expect_from(unread.stdout.as_mut().expect("it is piped"), 100);
    assert_eq!(writer.join().expect("the writer does not panic"), 100);
    assert!(unread.end().success());
    assert_bounded(&platform);
}

#[test]
fn a_program_ends_when_its_client_reads_no_more() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let mut yes = Background::start(alice.ssh_command().args(["room@127.0.0.1", "exec yes"]));
    expect_line(&mut yes, "y\n");
    // As `| head -n 1` does.
    drop(yes.stdout.take());
    assert_eq!(yes.end().code(), Some(255), "yes ends by a broken pipe, and ssh says 255 to a signal");
    let left = || alice.ssh("room", &["pgrep -x yes | wc -l"]).ok();
    eventually(left, |left| left == "0\n");
}

/// The attack: send more than the gateway said it would take, so that it keeps what no program reads.
#[test]
fn data_beyond_the_window_ends_that_connection_alone() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let bystander = Multiplex::connect(&alice, &[], "room");
    for kind in [message::CHANNEL_DATA, message::CHANNEL_EXTENDED_DATA] {
        let mut hostile = Wire::connect(&platform, &alice, "room");
        let channel = hostile.run("exec tail -f /dev/null");
        fill(&mut hostile, kind, &channel);
        // All of the window is the client's to use.
        hostile.send(Packet::request(channel.number, "nonsense", 1));
        hostile.expect(message::CHANNEL_FAILURE);
        // As much again: far more than what the program's pipe has made free.
        fill(&mut hostile, kind, &channel);
        hostile.expect_end();
        assert_eq!(bystander.ssh(&["echo alive"]).ok(), "alive\n");
    }
    assert_bounded(&platform);
}

/// The attack: make each byte of the window cost what a packet costs.
#[test]
fn a_window_of_single_bytes_is_kept_in_little_memory() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let mut hostile = Wire::connect(&platform, &alice, "room");
    let channel = hostile.run("exec tail -f /dev/null");
    let byte = Packet::data(channel.number, b"x");
    for _ in 0..channel.window / 2 {
        hostile.send(&byte);
    }
    hostile.send(Packet::request(channel.number, "nonsense", 1));
    hostile.expect(message::CHANNEL_FAILURE);
    assert_bounded(&platform);
}

#[test]
fn a_request_is_answered_only_where_an_answer_was_wanted() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let mut client = Wire::connect(&platform, &alice, "room");
    // It does not notice that nobody reads it, as `tail -f` does: its end would come between the answers.
    let channel = client.run("exec sleep 1000");
    client.send(Packet::request(channel.number, "nonsense", 0));
    client.send(Packet::request(channel.number, "eow@openssh.com", 0));
    client.send(Packet::request(channel.number + 1, "eow@openssh.com", 1));
    client.send(Packet::request(channel.number, "nonsense", 1));
    assert_eq!(client.receive().expect("an answer")[0], message::CHANNEL_FAILURE);
    client.send(Packet::request(channel.number, "eow@openssh.com", 1));
    assert_eq!(client.receive().expect("an answer")[0], message::CHANNEL_SUCCESS);
}

/// Sends a channel's first window, to its last byte.
fn fill(client: &mut Wire, kind: u8, channel: &wire::Opened) {
    let piece = vec![b'x'; 32 * 1024];
    let mut left = channel.window as usize;
    while left > 0 {
        let piece = &piece[..piece.len().min(left)];
        left -= piece.len();
        let packet = Packet::new(kind).number(channel.number);
        let packet = if kind == message::CHANNEL_EXTENDED_DATA { packet.number(1) } else { packet };
        if client.try_send(&packet.string(piece)).is_err() {
            return;
        }
    }
}

/// Reads a line of a program's standard output, and not a byte more.
#[track_caller]
fn expect_line(program: &mut Background, line: &str) {
    let mut read = vec![0; line.len()];
    let stdout = program.stdout.as_mut().expect("it is piped");
    stdout.read_exact(&mut read).expect("the program says something");
    assert_eq!(String::from_utf8_lossy(&read), line);
}

/// Asserts that the gateway has never held much memory.
#[track_caller]
fn assert_bounded(platform: &Platform) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", platform.pid())).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < MOST_KIB, "the gateway held {peak} KiB");
}
