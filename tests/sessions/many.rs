//! Many sessions, and the same Space before and after.

use std::thread;
use std::time::{Duration, Instant};

use spaces_tests::{Multiplex, Platform, eventually};

#[test]
fn a_hundred_sessions_leave_no_process_and_no_descriptor_behind() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let descriptors = || {
        let folder = format!("/proc/{}/fd", platform.pid());
        std::fs::read_dir(folder).expect("its descriptors").count()
    };
    // Of the guest: descriptors; of the Space: processes, and those of them that nobody reaped.
    let inside = || {
        alice.ssh("room", &["sudo ls /proc/1/fd | wc -l; ps -e | wc -l; ps -eo stat= | grep -c Z; true"]).ok()
    };
    let (before, open) = (inside(), descriptors());
    assert!(before.ends_with("\n0\n"), "{before}");
    for number in 0..100_u8 {
        let status = i32::from(number % 3);
        // An orphan each time, too: process 1 gets it.
        let terminal: &[&str] = if number % 2 == 0 { &["-tt"] } else { &[] };
        let output = alice.ssh_with(terminal, "room", &[&format!("(true &); exit {status}")], b"");
        assert_eq!((output.status, output.stdout.as_str()), (status, ""));
    }
    // The gateway may have a few more or less for its own sake, but not one for each session.
    eventually(|| (inside(), descriptors()), |after| after.0 == before && after.1 < open + 20);
}

#[test]
fn twenty_sessions_run_at_once_on_one_connection() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let connection = Multiplex::connect(&alice, &[], "room");
    // Each waits for all the others, so they do run at once.
    let command = |number: usize| {
        format!(
            "touch here-{number}; until [ $(ls here-* | wc -l) = 20 ]; do sleep 0.05; done; cat; exit {number}"
        )
    };
    thread::scope(|scope| {
        for number in 0..20 {
            let (connection, command) = (&connection, command(number));
            scope.spawn(move || {
                let input = format!("session {number}\n");
                let output = spaces_tests::run(&mut connection.command(&[&command]), input.as_bytes());
                assert_eq!(
                    (output.status, output.stdout),
                    (i32::try_from(number).expect("it is small"), input)
                );
            });
        }
    });
}

#[test]
fn a_restarted_gateway_reaches_a_running_space_at_once() {
    let mut platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let container = platform.container(&id);
    let started = |platform: &Platform| {
        let words = ["inspect", "--format", "{{.State.StartedAt}} {{.State.Pid}}", &container];
        String::from_utf8(platform.docker().args(words).output().expect("docker runs").stdout).expect("text")
    };
    let before = started(&platform);
    assert_eq!(alice.ssh("room", &["nohup sleep 1000 > /dev/null 2>&1 & echo $! > pid; cat pid"]).status, 0);
    for restart in ["in order", "by a crash"] {
        if restart == "in order" {
            assert!(platform.stop());
        } else {
            platform.kill();
        }
        platform.serve();
        let since = Instant::now();
        assert_eq!(
            alice.ssh("room", &["ps -o args= -p $(cat pid)"]).ok(),
            "sleep 1000\n",
            "restarted {restart}"
        );
        assert!(since.elapsed() < Duration::from_secs(5), "it took {:?}", since.elapsed());
        let list = alice.ssh("spaces", &["list"]).ok();
        assert!(list.contains(" running "), "{list}");
        assert_eq!(started(&platform), before, "the container was started anew");
    }
}
