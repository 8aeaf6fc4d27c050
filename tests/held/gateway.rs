//! Sessions and a gateway that is gone for a while.

use std::collections::HashSet;

use spaces_tests::{Terminal, eventually};

use super::{PROMPT, alice_and_her_room, console, wait_for_sessions};

/// SIGKILL amid output and typing: `spaces` comes back by itself, no line is lost, and the shell reads on.
#[test]
fn the_wrapper_comes_back_by_itself_after_the_gateway_was_killed() {
    let (mut platform, alice) = alice_and_her_room();
    let terminal = Terminal::run(&alice.spaces_on_terminal(&["connect", "room"]), 80, 24);
    terminal.wait_for_line(PROMPT);
    terminal.line("for i in $(seq 1 400); do echo line $i; sleep 0.02; done");
    terminal.wait_for_line("line 20");
    platform.kill();
    eventually(|| terminal.screen(), |screen| screen.contains("connection lost"));
    platform.serve();
    terminal.wait_for_line("line 400");
    let history = terminal.history();
    // A notice may stand at the end of one.
    let shown: HashSet<&str> = history
        .lines()
        .map(|shown| shown.split(" back after ").next().unwrap_or_default().trim_end())
        .collect();
    for number in 1..=400 {
        let line = format!("line {number}");
        assert!(shown.contains(line.as_str()), "{line} is lost:\n{history}");
    }
    assert!(history.contains(" back after "), "{history}");
    terminal.line("echo typed; exit 5");
    terminal.wait_for_line("ended with 5");
}

#[test]
fn what_was_typed_and_shown_is_never_forgotten() {
    let (mut platform, alice) = alice_and_her_room();
    let terminal = console(&alice, &["connect", "room", "--", "'cat > typed'"]);
    // The terminal's echo is what acknowledges a key.
    for number in 1..=50 {
        terminal.line(&format!("key {number}"));
    }
    terminal.wait_for_line("key 50");
    platform.kill();
    platform.serve();
    wait_for_sessions(&alice, &["1 room bash detached 80x24"]);
    let back = console(&alice, &["connect", "--attach", "1"]);
    back.wait_for_line("key 50");
    back.key("C-d");
    back.wait_for_line("ended with 0");
    let expected: Vec<String> = (1..=50).map(|number| format!("key {number}")).collect();
    assert_eq!(alice.ssh("room", &["cat typed"]).ok().lines().collect::<Vec<_>>(), expected);
}

/// A laptop wakes up whose session somebody went on in from another: it does not throw them out.
#[test]
fn the_wrapper_takes_nobodys_place_but_its_own() {
    let (mut platform, alice) = alice_and_her_room();
    let first = Terminal::run(&alice.spaces_on_terminal(&["connect", "room"]), 80, 24);
    first.wait_for_line(PROMPT);
    platform.kill();
    eventually(|| first.screen(), |screen| screen.contains("connection lost"));
    platform.serve();
    let second = console(&alice, &["connect", "--attach", "1"]);
    first.wait_for_line("ended with 1");
    assert!(first.screen().contains("somebody is in that session"), "{}", first.screen());
    second.line("echo still here");
    second.wait_for_line("still here");
}

#[test]
fn a_program_that_a_signal_ended_is_no_lost_connection() {
    let (_platform, alice) = alice_and_her_room();
    let command = alice.spaces_on_terminal(&["connect", "room", "--", "kill -KILL $$"]);
    Terminal::run(&command, 80, 24).wait_for_line("ended with 137");
}

#[test]
fn the_wrapper_gives_the_programs_status_and_leaves_a_session_alone_that_was_taken() {
    let (_platform, alice) = alice_and_her_room();
    let command = alice.spaces_on_terminal(&["connect", "room", "--", "echo hello; exit 9"]);
    let terminal = Terminal::run(&command, 80, 24);
    terminal.wait_for_line("hello");
    terminal.wait_for_line("ended with 9");

    let first = Terminal::run(&alice.spaces_on_terminal(&["connect", "room"]), 80, 24);
    first.wait_for_line(PROMPT);
    let second = console(&alice, &["connect", "--take", "2"]);
    second.wait_for_line(PROMPT);
    first.wait_for_line("ended with 1");
    assert!(first.screen().contains("somebody else has taken this session"), "{}", first.screen());
    drop(second);
    wait_for_sessions(&alice, &["2 room bash detached 80x24"]);
    let back = Terminal::run(&alice.spaces_on_terminal(&["connect", "--attach"]), 80, 24);
    back.wait_for_line(PROMPT);
    back.line("exit");
    back.wait_for_line("ended with 0");
}
