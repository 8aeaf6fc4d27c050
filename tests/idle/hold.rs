//! `spaces hold`, from inside a Space.

use spaces_tests::Platform;

use crate::{platform, state, wait_for_state, why};

#[test]
fn a_hold_needs_no_key_and_says_until_when() {
    let platform = Platform::start();
    let (alice, _id) = platform.owner("alice@example.com", "room");
    let inside = |line: &str| alice.ssh("room", &[line]);
    for line in [
        "spaces hold 4h --reason 'nightly build'",
        "sudo spaces hold 4h",
        "env -i /usr/local/bin/spaces hold 1d",
    ] {
        let answer = inside(line).ok();
        assert!(answer.starts_with("the space stays up until 2") && answer.ends_with("Z\n"), "{answer}");
    }
    let json: serde_json::Value = serde_json::from_str(&inside("spaces hold 30m --json").ok()).expect("JSON");
    assert!(json["until"].as_str().is_some_and(|until| until.ends_with('Z')), "{json}");
    assert_eq!(inside("spaces hold --end").ok(), "no hold keeps the space up\n");
    assert_eq!(inside("spaces hold --end --json").ok(), "{\"until\":null}\n");
    let hint = "hint: `spaces hold --help` tells what there is in a space\n";
    for (line, error) in [
        ("spaces", "which command?"),
        ("spaces list", "`list` is not known in a space: only `hold` is"),
        ("spaces hold", "for how long?"),
        ("spaces hold 0s", "cannot parse argument \"0s\": a hold lasts a second at least"),
    ] {
        assert_eq!(inside(line).fails(2), format!("error: {error}\n{hint}"), "{line}");
    }
    for (line, error) in [
        ("spaces hold 8d", "a hold lasts seven days at most; take another one then"),
        (
            "spaces hold 1h --reason \"$(printf 'two\\nlines')\"",
            "a reason is one line of at most 500 characters",
        ),
        (
            "spaces hold 1h --reason \"$(head -c 600 /dev/zero | tr '\\0' x)\"",
            "a reason is one line of at most 500 characters",
        ),
    ] {
        assert!(inside(line).fails(1).starts_with(&format!("error: {error}\n")), "{line}");
    }
    // It is up without a hold too: why should say no more than that.
    assert!(!why(&alice, "room").contains("hold"), "{}", why(&alice, "room"));
}

/// The attack: ask for holds again and again, each of which is a write to the platform's store.
#[test]
fn a_space_may_ask_for_so_many_holds_and_its_neighbour_is_not_held_up() {
    let platform = Platform::start();
    let (mallory, _) = platform.owner("mallory@example.com", "lair");
    let (bob, _) = platform.owner("bob@example.com", "den");
    let ask = "for i in $(seq 60); do spaces hold 1h >/dev/null 2>&1; echo $?; done";
    let answers = mallory.ssh("lair", &[ask]).ok();
    let of = |status: &str| answers.lines().filter(|line| *line == status).count();
    assert!(of("0") >= 30 && of("75") >= 20 && of("0") + of("75") == 60, "{answers}");
    let told = mallory.ssh("lair", &["spaces hold 1h"]).fails(75);
    assert_eq!(told, "error: too many holds are asked for at once\nhint: try again in a minute\n");
    assert!(bob.ssh("den", &["spaces hold 1h"]).ok().starts_with("the space stays up until "));
}

/// The attack: ask for holds as fast as can be, from many programs at once, to fill the platform's memory, log or store.
#[test]
fn a_flood_of_holds_waits_for_itself() {
    const FLOOD: &str = "
import socket, sys, time
end = time.monotonic() + 4
lines = []
while time.monotonic() < end:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(0.05)
    try:
        line.connect('\\0spaces:/.spaces/run/gateway.sock')
        line.sendall(b'\\xff' * 4096)
    except OSError: pass
    lines.append(line)
    if len(lines) > 500: lines.clear()
";
    let platform = platform("3s");
    let (mallory, lair) = platform.owner("mallory@example.com", "lair");
    let (bob, _) = platform.owner("bob@example.com", "den");
    let before = platform.log().len();
    mallory.ssh_with(&[], "lair", &["python3 -"], FLOOD.as_bytes()).ok();
    assert_eq!(bob.ssh("den", &["echo alive"]).ok(), "alive\n");
    let logged = platform.log().split_off(before);
    let lines = logged.iter().filter(|line| line.contains(&lair)).count();
    assert!(lines <= 30, "{lines} lines of the log");
    // The twin: once it ends, a hold is taken as ever, and ends with its time.
    assert!(mallory.ssh("lair", &["spaces hold 5s"]).ok().starts_with("the space stays up until 2"));
    assert_eq!(state(&mallory, "lair"), "running");
    wait_for_state(&mallory, "lair", "asleep");
}
