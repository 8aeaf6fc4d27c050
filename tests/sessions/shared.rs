//! A hundred sessions on one connection, as an editor, a build tool or Ansible have them: whatever some do, the
//! others go on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::thread;

use spaces_tests::{Background, Multiplex, Pattern, Platform, eventually, repository};

/// More than a window and every buffer on the way, so that it does not end by itself.
const MUCH: usize = 100;

/// How many sessions are on a connection at once.
const SESSIONS: usize = 100;

#[test]
fn of_a_hundred_sessions_on_one_connection_none_stalls_another() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let connection = Multiplex::connect(&alice, &[], "room");
    let start = |command: &str| Background::start(&mut connection.command(&[command]));
    // A quarter whose output nobody reads, a quarter that read no input and are sent much, a quarter that wait for
    // input that does not come, and a quarter that are well.
    let mut unread: Vec<_> = (0..SESSIONS / 4).map(|_| start("echo ready; exec yes")).collect();
    let mut deaf: Vec<_> = (0..SESSIONS / 4).map(|_| start("echo ready; exec tail -f /dev/null")).collect();
    let mut silent: Vec<_> = (0..SESSIONS / 4).map(|_| start("echo ready; exec cat")).collect();
    let mut well: Vec<_> = (0..SESSIONS / 4).map(|_| start("echo ready; exec cat")).collect();
    for session in unread.iter_mut().chain(&mut deaf).chain(&mut silent).chain(&mut well) {
        expect_line(session, "ready\n");
    }
    let fed: Vec<_> = deaf
        .iter_mut()
        .map(|session| {
            let mut stdin = session.stdin.take().expect("it is piped");
            thread::spawn(move || Pattern::new(1).write_to(&mut stdin, MUCH))
        })
        .collect();
    // Each answers, again and again, and new ones open and end beside them.
    for round in 0..20 {
        for session in &mut well {
            let line = format!("round {round}\n");
            session.stdin.as_mut().expect("it is piped").write_all(line.as_bytes()).expect("it is read");
            expect_line(session, &line);
        }
        assert_eq!(connection.ssh(&["echo one more"]).ok(), "one more\n");
    }
    assert!(!fed.iter().any(thread::JoinHandle::is_finished), "much went to a program that reads nothing");
    for (number, mut session) in silent.into_iter().enumerate() {
        let line = format!("late input {number}\n");
        session.stdin.as_mut().expect("it is piped").write_all(line.as_bytes()).expect("it is read");
        expect_line(&mut session, &line);
        assert!(session.end().success());
    }
    // What was held back is whole.
    let mut reader = BufReader::new(unread[0].stdout.take().expect("it is piped"));
    for _ in 0..2_000_000 {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        assert_eq!(line, "y\n");
    }
    drop((unread, deaf));
    for session in fed {
        assert!(session.join().expect("the writer does not panic") < MUCH);
    }
}

#[test]
fn a_hundred_sessions_answer_all_at_once() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let connection = Multiplex::connect(&alice, &[], "room");
    // Each waits for all the others, and all of them for the last.
    let command = format!(
        "cat > /dev/null; mkdir -p here; touch here/$$; until [ $(ls here | wc -l) = {SESSIONS} ]; do sleep 0.2; done; \
         echo all"
    );
    let mut sessions: Vec<_> =
        (0..SESSIONS).map(|_| Background::start(&mut connection.command(&[&command]))).collect();
    for session in &mut sessions {
        drop(session.stdin.take());
    }
    for mut session in sessions {
        expect_line(&mut session, "all\n");
        assert!(session.end().success());
    }
}

/// What each session takes is given back: of the gateway's memory and descriptors, of process 1's in the Space.
#[test]
fn thousands_of_sessions_after_each_other_on_one_connection_leave_nothing_behind() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let script = repository().join("tests/clients/paramiko/sequence.py");
    let mut client = Background::start(&mut alice.paramiko_command("room", &script));
    let mut hundreds = || {
        let stdin = client.stdin.as_mut().expect("it is piped");
        stdin.write_all(b"700\n").and_then(|()| stdin.flush()).expect("it is read");
        expect_line(&mut client, "done\n");
    };
    // Eight at a time. Whatever is made once is there after the first.
    hundreds();
    let before = held(&platform);
    let inside = || alice.ssh("room", &["sudo ls /proc/1/fd | wc -l; ps -e | wc -l"]).ok();
    let here = inside();
    for _ in 0..3 {
        hundreds();
    }
    eventually(
        || (held(&platform), inside()),
        |(after, there)| after.0 < before.0 + 4096 && after.1 < before.1 + 20 && *there == here,
    );
}

/// The gateway's resident memory in KiB, and its descriptors.
fn held(platform: &Platform) -> (u64, usize) {
    let process = format!("/proc/{}", platform.pid());
    let status = std::fs::read_to_string(format!("{process}/status")).expect("its status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let descriptors = std::fs::read_dir(format!("{process}/fd")).expect("its descriptors").count();
    (resident.trim().trim_end_matches(" kB").parse().expect("a number"), descriptors)
}

/// Reads a line of a program's standard output, and not a byte more.
#[track_caller]
fn expect_line(program: &mut Background, line: &str) {
    let mut read = vec![0; line.len()];
    let stdout = program.stdout.as_mut().expect("it is piped");
    stdout.read_exact(&mut read).expect("the program says something");
    assert_eq!(String::from_utf8_lossy(&read), line);
}
