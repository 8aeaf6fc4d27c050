//! Several who see one session.

use std::io::Write as _;
use std::process::Command;

use spaces_tests::{Background, Terminal, eventually};

use super::{PROMPT, alice_and_her_room, console, wait_for_sessions};

#[test]
fn one_goes_on_others_look_on_and_taking_sends_away() {
    let (_platform, alice) = alice_and_her_room();
    let first = console(&alice, &["connect", "room"]);
    first.wait_for_line(PROMPT);
    first.line("echo from the first");
    first.wait_for_line("from the first");

    let refused = console(&alice, &["connect", "--attach", "1"]);
    refused.wait_for_line("ended with 1");
    assert!(refused.screen().contains("somebody is in that session"), "{}", refused.screen());

    let watcher = console(&alice, &["connect", "--watch", "1"]);
    watcher.wait_for_line("from the first");
    watcher.line("echo typed in vain");
    first.line("echo seen by both");
    watcher.wait_for_line("seen by both");
    assert!(!first.screen().contains("typed in vain"), "{}", first.screen());

    let second = console(&alice, &["connect", "--take", "1"]);
    second.wait_for_line("seen by both");
    first.wait_for_line("ended with 1");
    assert!(first.screen().contains("somebody else has taken this session"), "{}", first.screen());
    second.line("echo from the second");
    watcher.wait_for_line("from the second");
    second.line("exit 3");
    second.wait_for_line("ended with 3");
    watcher.wait_for_line("ended with 3");
    wait_for_sessions(&alice, &[]);
}

/// A laptop that sleeps takes nothing and says nothing. What runs in the session must not stand still for it.
#[test]
fn a_client_that_stops_reading_holds_its_session_up_for_a_moment_only() {
    let (_platform, alice) = alice_and_her_room();
    let mut first = alice.ssh_without_deadline();
    let mut first = Background::start(first.args(["-tt", "spaces@127.0.0.1", "connect", "room"]));
    let script = b"for i in $(seq 1 200000); do echo a line that is long enough to fill what is between $i; done; touch done\n";
    first.stdin.as_mut().expect("it is piped").write_all(script).expect("input");
    // Nobody reads what comes.
    eventually(|| alice.ssh("room", &["ls"]).ok(), |files| files.contains("done"));
    let second = console(&alice, &["connect", "--take", "1"]);
    second.wait_for_line(PROMPT);
    assert!(second.screen().contains("between 200000"), "{}", second.screen());
}

/// The attack: who was sent away does not read that they were, and types on into the shell of whoever has it now.
#[test]
fn somebody_who_was_sent_away_types_in_vain_whether_they_know_it_or_not() {
    let (_platform, alice) = alice_and_her_room();
    let mut first = alice.ssh_without_deadline();
    let mut first = Background::start(first.args(["-tt", "spaces@127.0.0.1", "connect", "room"]));
    let mut stdin = first.stdin.take().expect("it is piped");
    // More than all windows on the way hold, and nobody reads it.
    stdin.write_all(b"head -c 30000000 /dev/zero | tr '\\0' x; touch flooded\n").expect("input");
    eventually(|| alice.ssh("room", &["ls"]).ok(), |files| files.contains("flooded"));
    let second = console(&alice, &["connect", "--take", "1"]);
    wait_for_sessions(&alice, &["1 room bash attached 80x24"]);
    stdin.write_all(b"touch intruder\n").expect("input");
    second.line("touch friend");
    let files = eventually(|| alice.ssh("room", &["ls"]).ok(), |files| files.contains("friend"));
    assert!(!files.contains("intruder"), "{files}");
}

#[test]
fn the_agent_of_whoever_is_there_now_is_the_one_that_programs_reach() {
    let (_platform, alice) = alice_and_her_room();
    let agent = |name: &str| {
        let key = alice.home.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&key)
            .status();
        assert!(made.expect("ssh-keygen runs").success());
        // An agent of its own around the client.
        let ssh = alice.ssh_line();
        move |words: &str| {
            let mut command = Command::new("ssh-agent");
            let line = format!("ssh-add -q {} && exec {ssh} -A -t spaces@127.0.0.1 {words}", key.display());
            command.args(["sh", "-c", &line]);
            command
        }
    };
    let (old, new) = (agent("old-laptop"), agent("new-laptop"));
    let first = Terminal::run(&old("connect room"), 80, 24);
    first.wait_for_line(PROMPT);
    first.line("ssh-add -l | cut -d' ' -f3");
    first.wait_for_line("old-laptop");
    drop(first);
    wait_for_sessions(&alice, &["1 room bash detached 80x24"]);
    let second = Terminal::run(&new("connect --attach 1"), 80, 24);
    second.wait_for_line("old-laptop");
    second.line("ssh-add -l | cut -d' ' -f3");
    second.wait_for_line("new-laptop");
    // Who only looks on lends nothing to what others run, and takes nothing away.
    let watcher = Terminal::run(&old("connect --watch 1"), 80, 24);
    watcher.wait_for_line("new-laptop");
    second.line("clear; ssh-add -l | cut -d' ' -f3; echo asked");
    second.wait_for_line("asked");
    assert!(second.screen().contains("new-laptop"), "{}", second.screen());
}
