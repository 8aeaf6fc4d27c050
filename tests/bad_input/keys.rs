//! Device keys that are none, or not one's own.

use std::io::Write as _;
use std::process::Command;

use spaces_tests::{Background, Person, Platform, Terminal, eventually};

fn public(person: &Person) -> Vec<u8> {
    std::fs::read(person.home.join("id.pub")).expect("a key")
}

fn fingerprint(person: &Person) -> String {
    let output = Command::new("ssh-keygen").args(["-l", "-f"]).arg(person.key()).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
}

#[test]
fn key_add_takes_a_public_key_and_nothing_else() {
    let platform = Platform::start();
    let alice = platform.person("alice@example.com");
    let hint = "hint: give a public key on standard input: `key add < id_ed25519.pub`\n";
    let malformed = format!("error: that is not an OpenSSH public key\n{hint}");
    let private =
        format!("error: that is a private key: keep it to yourself, and give the `.pub` file\n{hint}");
    let two = [public(&alice), public(&platform.stranger("x@example.com"))].concat();
    let weak = alice.home.join("weak");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f"])
        .arg(&weak)
        .status();
    assert!(made.expect("ssh-keygen runs").success());
    let weak = std::fs::read(weak.with_extension("pub")).expect("a key");
    let private_key = std::fs::read(alice.key()).expect("a key");
    let cases: [(&[u8], &str); 7] = [
        (b"", &malformed),
        (b"hello", &malformed),
        (b"ssh-ed25519 AAAA", &malformed),
        (&two, &malformed),
        (&vec![b'x'; 60_000], &malformed),
        (&private_key, &private),
        (&weak, &format!("error: keys of that kind are too weak\n{hint}")),
    ];
    for (input, refused) in cases {
        assert_eq!(alice.ssh_with(&[], "spaces", &["key", "add"], input).fails(2), refused);
    }
    let add = |input: &[u8]| alice.ssh_with(&[], "spaces", &["key", "add"], input);
    assert_eq!(add(&vec![b'x'; 1_000_000]).fails(2), "error: that is too much on standard input\n");
    assert_eq!(add(b"\xff\xfe").fails(2), "error: standard input is not valid UTF-8\n");
    assert_eq!(alice.ssh("spaces", &["key", "list"]).ok().lines().count(), 2);
    // The friendly twin, and twice is once.
    let phone = platform.stranger("alice@example.com");
    for _twice in 0..2 {
        assert_eq!(add(&public(&phone)).ok(), format!("added key {}\n", fingerprint(&phone)));
    }
    assert_eq!(alice.ssh("spaces", &["key", "list"]).ok().lines().count(), 3);
    assert_eq!(phone.ssh("spaces", &["whoami"]).ok(), "alice@example.com\n");
}

/// The attack: somebody registers another person's key as their own, so that its owner logs in as them; or takes
/// another person's key away.
#[test]
fn anothers_key_can_neither_be_added_nor_removed() {
    let platform = Platform::start();
    let alice = platform.person("alice@example.com");
    let mallory = platform.person("mallory@example.com");
    let theirs =
        "error: that key belongs to somebody else here\nhint: make another with `ssh-keygen -t ed25519`\n";
    assert_eq!(mallory.ssh_with(&[], "spaces", &["key", "add"], &public(&alice)).fails(1), theirs);
    let unknown = platform.stranger("x@example.com");
    for foreign in [&alice, &unknown] {
        let remove = mallory.ssh("spaces", &["key", "remove", "--last", &fingerprint(foreign)]).fails(1);
        let expected = format!("error: no key {}\nhint: `key list` shows yours\n", fingerprint(foreign));
        assert_eq!(remove, expected);
    }
    assert_eq!(alice.ssh("spaces", &["whoami"]).ok(), "alice@example.com\n");
    assert_eq!(mallory.ssh("spaces", &["key", "list"]).ok().lines().count(), 2);
}

/// A terminal has no end of input that a person could see: a line is a key. What was not finished adds nothing.
#[test]
fn a_key_can_be_pasted_at_a_terminal() {
    let platform = Platform::start();
    let alice = platform.person("alice@example.com");
    let phone = platform.stranger("alice@example.com");
    let line = String::from_utf8(public(&phone)).expect("text");
    let open = || {
        let mut command = alice.ssh_without_deadline();
        command.args(["-t", "spaces@127.0.0.1", "key", "add"]);
        let terminal = Terminal::run(&command, 200, 20);
        eventually(|| terminal.screen(), |screen| screen.contains("public key:"));
        terminal
    };
    let interrupted = open();
    interrupted.key("C-c");
    eventually(|| interrupted.screen(), |screen| screen.contains("no key was given"));
    drop(open());
    assert_eq!(alice.ssh("spaces", &["key", "list"]).ok().lines().count(), 2);
    let pasted = open();
    pasted.line(line.trim_end());
    eventually(|| alice.ssh("spaces", &["key", "list"]).ok(), |list| list.contains(&fingerprint(&phone)));
}

/// The attack, or a broken line: half of a key, and then nothing. It must not count as all there was.
#[test]
fn a_client_that_vanishes_while_it_gives_a_key_adds_none() {
    let platform = Platform::start();
    let alice = platform.person("alice@example.com");
    let mut command = alice.ssh_without_deadline();
    command.args(["spaces@127.0.0.1", "key", "add"]);
    let mut adding = Background::start(&mut command);
    let phone = platform.stranger("alice@example.com");
    let stdin = adding.stdin.as_mut().expect("it is piped");
    stdin.write_all(&public(&phone)).expect("it is taken");
    // The connection is through, and the key with it, once a later one on the same machine is.
    alice.ssh("spaces", &["whoami"]).ok();
    adding.kill().expect("it runs");
    // Later ones are the clock: what the gateway makes of the end of a connection, it has made by then.
    for _later in 0..10 {
        alice.ssh("spaces", &["whoami"]).ok();
    }
    assert_eq!(alice.ssh("spaces", &["key", "list"]).ok().lines().count(), 2);
}
