//! Terminals that outlive the connections that show them.

mod gateway;
mod viewers;

use spaces_tests::{Person, Platform, Terminal, eventually};

const PROMPT: &str = "space@room:~$";

/// Alice, logged in with `spaces` too, and her room.
fn alice_and_her_room() -> (Platform, Person) {
    let platform = Platform::start();
    let alice = platform.stranger("alice@example.com");
    alice.log_in(&platform.auth_key(&alice.email));
    platform.create_space(&alice.email, "room");
    (platform, alice)
}

/// `ssh -t spaces@gateway WORDS` on a terminal.
fn console(person: &Person, words: &[&str]) -> Terminal {
    Terminal::run(&person.console_on_terminal(words), 80, 24)
}

/// Rows of `session list`, without the times.
fn sessions(person: &Person) -> Vec<String> {
    let listing = person.ssh("spaces", &["session", "list"]).ok();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[..5].join(" ")
    };
    listing.lines().skip(1).map(row).collect()
}

#[track_caller]
fn wait_for_sessions(person: &Person, expected: &[&str]) {
    eventually(|| sessions(person), |rows| rows == expected);
}

#[test]
fn a_shell_outlives_its_connection_and_comes_back_as_it_was() {
    let (_platform, alice) = alice_and_her_room();
    let first = console(&alice, &["connect", "room"]);
    first.wait_for_line(PROMPT);
    first.line("cd /tmp; export KEPT=here; seq 1 60");
    first.wait_for_line("60");
    first.line("PS1='kept> '");
    first.wait_for_line("kept>");
    wait_for_sessions(&alice, &["1 room bash attached 80x24"]);
    let before = first.screen();
    drop(first);
    wait_for_sessions(&alice, &["1 room bash detached 80x24"]);

    let second = console(&alice, &["connect", "--attach"]);
    second.wait_for_line("kept>");
    // The notice in the corner aside.
    let without_first_line = |screen: &str| screen.split_once('\n').map(|(_, rest)| rest.to_owned());
    assert_eq!(without_first_line(&second.screen()), without_first_line(&before));
    for number in 1..=60 {
        let line = number.to_string();
        assert_eq!(second.history().lines().filter(|shown| **shown == line).count(), 1, "line {line}");
    }
    second.line("echo $KEPT in $PWD");
    second.wait_for_line("here in /tmp");
    second.line("exit 7");
    second.wait_for_line("ended with 7");
    wait_for_sessions(&alice, &[]);
}

#[test]
fn a_full_screen_program_comes_back_in_another_size() {
    let (_platform, alice) = alice_and_her_room();
    let first = console(&alice, &["connect", "room"]);
    first.wait_for_line(PROMPT);
    first.line("echo under it; less -S /etc/services");
    let shown = |screen: &String| screen.contains("tcpmux");
    eventually(|| first.screen(), shown);
    drop(first);
    wait_for_sessions(&alice, &["1 room less detached 80x24"]);

    let second = Terminal::run(&alice.console_on_terminal(&["connect", "--attach", "1"]), 60, 12);
    eventually(|| second.screen(), shown);
    wait_for_sessions(&alice, &["1 room less attached 60x12"]);
    second.line("G");
    second.key("q");
    second.wait_for_line("under it");
    second.line("stty size");
    second.wait_for_line("12 60");
}

#[test]
fn a_new_shell_says_in_one_line_that_another_one_waits() {
    let (_platform, alice) = alice_and_her_room();
    drop(console(&alice, &["connect", "room"]).wait_for_line(PROMPT));
    wait_for_sessions(&alice, &["1 room bash detached 80x24"]);
    let second = console(&alice, &["connect", "room"]);
    second.wait_for_line(PROMPT);
    let first_line = second.screen().lines().next().map(str::to_owned);
    assert_eq!(first_line.as_deref(), Some("session 1 is detached: `connect room --attach 1` goes on in it"));
    drop(second);
    wait_for_sessions(&alice, &["1 room bash detached 80x24", "2 room bash detached 80x24"]);
    let third = console(&alice, &["connect", "room"]);
    third.wait_for_line("2 sessions are detached: `session list` shows them");
    // The one that was left last.
    let back = console(&alice, &["connect", "--attach"]);
    back.wait_for_line(PROMPT);
    wait_for_sessions(
        &alice,
        &["1 room bash detached 80x24", "2 room bash attached 80x24", "3 room bash attached 80x24"],
    );
}

#[test]
fn a_session_can_be_ended_and_what_runs_in_it_is_hung_up_on() {
    let (_platform, alice) = alice_and_her_room();
    let terminal = console(&alice, &["connect", "room"]);
    terminal.wait_for_line(PROMPT);
    terminal.line("sleep 1000 & sleep 2000");
    let sleeping = || alice.ssh("room", &["pgrep -cx sleep; true"]).ok();
    eventually(sleeping, |count| count == "2\n");
    assert_eq!(alice.ssh("spaces", &["session", "kill", "1"]).ok(), "ended session 1\n");
    terminal.wait_for_line("ended with 129");
    eventually(sleeping, |count| count == "0\n");
    wait_for_sessions(&alice, &[]);
    assert_eq!(alice.ssh("spaces", &["session", "kill", "1"]).fails(1), "error: no such session\n");
}

#[test]
fn a_session_whose_program_does_not_hear_is_ended_all_the_same() {
    let (_platform, alice) = alice_and_her_room();
    let script = "'trap \"\" HUP; echo deaf; sleep 1000; sleep 1000'";
    let terminal = console(&alice, &["connect", "room", "--", script]);
    terminal.wait_for_line("deaf");
    assert_eq!(alice.ssh("spaces", &["session", "kill", "1"]).ok(), "ended session 1\n");
    terminal.wait_for_line("ended with 137");
    wait_for_sessions(&alice, &[]);
}

#[test]
fn a_program_that_lets_go_of_its_terminal_is_not_hung_up_on() {
    let (_platform, alice) = alice_and_her_room();
    let script = "'echo begun; exec </dev/null >/dev/null 2>&1; until [ -e go ]; do sleep 0.1; done; exit 6'";
    let terminal = console(&alice, &["connect", "room", "--", script]);
    terminal.wait_for_line("begun");
    alice.ssh("room", &["touch go"]).ok();
    terminal.wait_for_line("ended with 6");
    wait_for_sessions(&alice, &[]);
}

#[test]
fn without_a_terminal_nothing_is_held() {
    let (_platform, alice) = alice_and_her_room();
    assert_eq!(alice.ssh_with(&[], "spaces", &["connect", "room"], b"echo hello\n").ok(), "hello\n");
    wait_for_sessions(&alice, &[]);
    let expected = "error: a session is shown on a terminal\nhint: `ssh -t` asks for one\n";
    assert_eq!(alice.ssh("spaces", &["connect", "--attach", "1"]).fails(2), expected);
    let expected = "error: no such session\nhint: `session list` shows those that are there; `--take` and `--watch` \
                    need a number\n";
    let answer = alice.ssh_with(&["-tt"], "spaces", &["connect", "--attach", "1"], b"");
    assert_eq!((answer.status, answer.stdout.replace('\r', "")), (1, expected.to_owned()));
}
