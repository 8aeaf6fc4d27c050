//! Who denies a forward, and why one fails: people are told, by the client that they have.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use spaces_tests::{Output, Person, Platform, eventually};

use crate::{Setting, free_port};

/// What `ssh -W` says on the way to there.
fn told(person: &Person, login: &str, there: &str) -> String {
    person.ssh_with(&["-v", "-W", there], login, &[], b"").fails(255)
}

/// A command on a connection that is to listen in the Space, too.
fn listening(person: &Person, options: &[&str]) -> Output {
    let wanted = ["-v", "-o", "ExitOnForwardFailure=yes", "-R", "7000:127.0.0.1:9"];
    person.ssh_with(&[&wanted, options].concat(), "room", &["true"], b"")
}

fn set(person: &Person, forwarding: &str) -> String {
    person.ssh("spaces", &["space", "set", "--space", "room", "--forwarding", forwarding]).ok()
}

#[test]
fn a_refusal_says_who_denied_it_and_a_failure_why() {
    let setting = Setting::new();
    let alice = &setting.person;
    for (login, there, why) in [
        ("room", "localhost:7999", "connect failed: Connection refused"),
        ("spaces", "localhost:7000", "administratively prohibited: forwards lead into spaces"),
        ("other", "localhost:7000", "connect failed: no space named `other`"),
    ] {
        let told = told(alice, login, there);
        assert!(told.contains(&format!("open failed: {why}")), "{there}: {told}");
    }
    let nowhere = told(alice, "room", "no-such-host.invalid:80");
    // What the name server of this machine makes of it.
    let reasons = ["no such host", "the space's name server does not answer"];
    assert!(reasons.iter().any(|why| nowhere.contains(&format!("connect failed: {why}"))), "{nowhere}");
    let taken = listening(alice, &[]).fails(255);
    assert!(taken.contains("Remote: remote forwarding refused: Address already in use"), "{taken}");
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    let asleep = told(alice, "room", "localhost:7000");
    assert!(asleep.contains("connect failed: space `room` is stopped"), "{asleep}");
}

#[test]
fn the_admin_of_a_space_denies_forwards_from_now_on_and_allows_them_again() {
    let setting = Setting::new();
    let alice = &setting.person;
    let port = free_port();
    let _forward = setting.forward(&["-L", &format!("{port}:localhost:7000")]);
    let connect = || TcpStream::connect(("127.0.0.1", port)).expect("it is open");
    let mut before = connect();
    before.write_all(b"kept ").expect("it is taken");
    // The echo has to be there before the door shuts.
    eventually(|| alice.ssh("room", &["ss -Htn 'sport = :7000' | wc -l"]).ok(), |lines| lines == "1\n");

    assert_eq!(set(alice, "deny"), "space sp_1 has forwarding deny, idle-stop default\n");
    let listed = alice.ssh("spaces", &["list", "--json"]).ok();
    assert!(listed.contains(r#""forwarding":"deny""#), "{listed}");
    let why = "forwarding is denied by the admin of space `room`";
    let refused = told(alice, "room", "localhost:7000");
    assert!(refused.contains(&format!("open failed: administratively prohibited: {why}")), "{refused}");
    let refused = listening(alice, &[]).fails(255);
    assert!(refused.contains(&format!("Remote: remote forwarding refused: {why}")), "{refused}");
    assert!(refused.contains("remote port forwarding failed"), "{refused}");
    let mut ssh = alice.ssh_command();
    ssh.args(["-v", "-Y", "-A", "room@127.0.0.1", "echo ${DISPLAY-none} ${SSH_AUTH_SOCK-none}"]);
    ssh.env("DISPLAY", "127.0.0.1:5").env("SSH_AUTH_SOCK", "/nowhere");
    let session = spaces_tests::run(&mut ssh, b"");
    assert_eq!(session.stdout, "none none\n");
    assert!(session.stderr.contains(&format!("Remote: X11 forwarding refused: {why}")), "{}", session.stderr);
    assert!(session.stderr.contains("X11 forwarding request failed"), "{}", session.stderr);
    // On a connection that forwarded before, too.
    assert_eq!(connect().read(&mut [0]).expect("its end"), 0);
    setting.platform.wait_for_log(why);

    // What was carried goes on.
    before.write_all(b"to the end").expect("it is taken");
    assert_eq!(crate::exchange(before, b""), b"kept to the end");
    assert_eq!(set(alice, "allow"), "space sp_1 has forwarding allow, idle-stop default\n");
    assert_eq!(crate::exchange(connect(), b"open"), b"open");
}

#[test]
fn a_listener_that_is_there_takes_nothing_more_once_forwards_are_denied() {
    let setting = Setting::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it does not wait");
    let target = listener.local_addr().expect("an address").port();
    let _forward = setting.forward(&["-R", &format!("7100:127.0.0.1:{target}")]);
    set(&setting.person, "deny");
    let script = "import socket; s = socket.create_connection(('localhost', 7100)); print(len(s.recv(1)))";
    assert_eq!(setting.person.ssh("room", &[&format!("python3 -c \"{script}\"")]).ok(), "0\n");
    assert!(listener.accept().is_err(), "somebody came to the client");
}

#[test]
fn a_member_cannot_set_what_holds_for_everybody() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let bob = platform.stranger("bob@example.com");
    let words = ["admin", "issue-key", "bob@example.com", "--role", "member", "--space", &id];
    let key = platform.admin().ssh("spaces", &words).ok();
    bob.ssh_answering(key.trim(), &["login"]).ok();
    let words = ["space", "set", "--space", "room", "--forwarding", "deny"];
    let refused = bob.ssh("spaces", &words).fails(1);
    let expected =
        "error: you are a member of `room`: only its admin can change it\nhint: ask alice@example.com\n";
    assert_eq!(refused, expected);
    let wrong = ["space", "set", "--space", "room", "--forwarding", "maybe"];
    alice.ssh("spaces", &wrong).fails(2);
    alice.ssh("spaces", &words).ok();
    let trail = platform.admin().ssh("spaces", &["admin", "audit"]).ok();
    let recorded = |who: &str, outcome: &str| {
        let line = |line: &&str| line.contains(who) && line.contains("space.deny-forwarding");
        trail.lines().find(line).is_some_and(|line| line.contains(outcome))
    };
    assert!(recorded("alice@", "done") && recorded("bob@", "refused"), "{trail}");
}
