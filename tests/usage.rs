//! What a Space uses, and why it is as it is: the figures are true, and the sentences too.

use std::io::Read as _;

use serde_json::Value;
use spaces_tests::{Background, Person, Platform, Terminal, eventually};

fn json(person: &Person, words: &[&str]) -> Value {
    let answer = person.ssh("spaces", &[words, &["--json"]].concat()).ok();
    serde_json::from_str(&answer).expect("JSON")
}

/// A figure of `space usage`.
fn used(person: &Person, resource: &str) -> u64 {
    let usage = json(person, &["space", "usage", "--space", "room"]);
    usage[resource]["used"].as_u64().unwrap_or_else(|| panic!("no {resource} in {usage}"))
}

fn why(person: &Person) -> String {
    person.ssh("spaces", &["space", "why", "--space", "room"]).ok()
}

/// A program in the Space that goes on until the test drops it.
fn running(person: &Person, line: &str) -> Background {
    Background::start(person.ssh_command().args(["room@127.0.0.1", line]))
}

#[test]
fn usage_follows_what_a_space_does() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let (pids, memory) = (used(&alice, "pids"), used(&alice, "memory"));
    let text = alice.ssh("spaces", &["space", "usage", "--space", "room"]).ok();
    let names: Vec<_> = text.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(names, ["resource", "cpu", "memory", "pids", "disk", "net", "llm_tokens"]);
    assert!(text.lines().all(|line| line.split_whitespace().count() == 5), "{text}");
    {
        let _sleepers = running(&alice, "for i in $(seq 10); do sleep 100 & done; wait");
        eventually(|| used(&alice, "pids"), |now| *now >= pids + 11);
        let _hog = running(&alice, "python3 -c 'x = bytearray(100 << 20); input()'");
        eventually(|| used(&alice, "memory"), |now| *now >= memory + 95);
        let _busy = running(&alice, "while :; do :; done");
        eventually(|| used(&alice, "cpu"), |now| *now >= 300);
    }
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    for resource in ["cpu", "memory", "pids"] {
        assert_eq!(used(&alice, resource), 0, "{resource}");
    }
    let whole = json(&alice, &["space", "usage", "--space", "room"]);
    assert_eq!((&whole["id"], &whole["state"]), (&Value::from(id), &Value::from("stopped")));
    assert_eq!(whole["cpu"]["limit"], 2000);
    assert_eq!(whole["memory"]["bound"], "hard");
    // It is nobody else's business.
    let (mallory, _) = platform.owner("mallory@example.com", "lair");
    for word in ["usage", "why"] {
        let refused = mallory.ssh("spaces", &["space", word, "--space", "room"]).fails(1);
        assert!(refused.starts_with("error: no space named `room`"), "{refused}");
    }
}

#[test]
fn why_says_what_holds_a_space_back() {
    let platform = Platform::start_with(&[("SPACE__CPU_MILLIS", "200"), ("SPACE__MEMORY_MIB", "128")]);
    let (alice, id) = platform.owner("alice@example.com", "room");
    let told = why(&alice);
    assert_eq!(
        told.lines().next(),
        Some(&*format!("space {id} is running: it is wanted up until somebody stops it"))
    );
    assert!(told.contains("no program of yours runs") && !told.contains("holds it back"), "{told}");
    {
        let _busy = running(&alice, "while :; do :; done");
        let holds = "its processor limit of 200 thousandths of a core holds it back";
        eventually(|| why(&alice), |told| told.contains(holds));
    }
    assert_ne!(alice.ssh("room", &["python3 -c 'bytearray(300 << 20)'"]).status, 0);
    let ended = "its memory limit has ended processes since it was started: ";
    assert!(why(&alice).contains(ended), "{}", why(&alice));
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    let stopped = format!("space {id} is stopped: somebody stopped it; `space up --space room` starts it\n");
    assert_eq!(why(&alice), stopped);
    let reasons = json(&alice, &["space", "why", "--space", "room"]);
    assert_eq!(reasons["reasons"][0]["code"], "stopped");
}

/// By both ways in: `ssh -t`, and the `spaces` program.
#[test]
fn on_a_terminal_usage_goes_on_until_a_key_is_pressed() {
    let platform = Platform::start();
    let alice = platform.stranger("alice@example.com");
    alice.log_in(&platform.auth_key(&alice.email));
    let id = platform.create_space(&alice.email, "room");
    let words = ["space", "usage", "--space", "room"];
    let title = format!("room ({id}) is running");
    for command in [alice.console_on_terminal(&words), alice.spaces_on_terminal(&words)] {
        let terminal = Terminal::run(&command, 80, 24);
        let shows = |screen: &str, what: &str| screen.lines().any(|line| line.contains(what));
        let screen = eventually(
            || terminal.screen(),
            |screen| shows(screen, &title) && shows(screen, "of 2000 millis"),
        );
        assert!(
            shows(&screen, "q leaves") && shows(&screen, "of 4096 MiB") && shows(&screen, "received"),
            "{screen}"
        );
        // It follows what goes on, and the terminal's size.
        let busy = running(&alice, "while :; do :; done");
        let graph = |screen: &str| screen.lines().any(|line| line.starts_with("cpu ") && line.contains('█'));
        eventually(|| terminal.screen(), |screen| graph(screen));
        terminal.resize(60, 20);
        eventually(
            || terminal.screen(),
            |screen| screen.lines().next().is_some_and(|line| line.trim_end().len() == 60),
        );
        drop(busy);
        terminal.key("q");
        // What is left is the table, on the screen that was there before.
        let left = eventually(|| terminal.screen(), |screen| shows(screen, "resource"));
        assert!(!shows(&left, "q leaves") && shows(&left, "llm_tokens"), "{left}");
    }
    // Nobody else's, nor where it cannot be drawn.
    let (mallory, _) = platform.owner("mallory@example.com", "lair");
    let terminal = Terminal::run(&mallory.console_on_terminal(&words), 80, 24);
    eventually(|| terminal.screen(), |screen| screen.contains("error: no space named `room`"));
    // Whose input has ended sees it once.
    let closed = alice.ssh_with(&["-tt", "-o", "SetEnv=TERM=xterm"], "spaces", &words, b"");
    assert!(closed.status == 0 && closed.stdout.contains("resource"), "{closed:?}");
    let dumb = alice.ssh_with(&["-tt", "-o", "SetEnv=TERM=dumb"], "spaces", &words, b"");
    assert!(dumb.stdout.starts_with("resource"), "{dumb:?}");
}

/// Also on a terminal that was open before, once for each step.
#[test]
fn a_budget_that_comes_to_its_end_is_told_at_open_terminals() {
    let settings =
        [("SPACE__DISK_MB", "20"), ("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms")];
    let platform = Platform::start_with(&settings);
    let (alice, _id) = platform.owner("alice@example.com", "room");
    let held = Terminal::run(&alice.console_on_terminal(&["connect", "room"]), 80, 24);
    held.wait_for_line("space@room:~$");
    let mut stream = Background::start(alice.ssh_command().args(["room@127.0.0.1", "sleep 60"]));
    for (megabytes, said) in [
        (17, "space room: more than 80 % of its disk budget is used: 17 of 20 MB"),
        (21, "space room: its disk budget is used up: writing to files fails, deleting works"),
    ] {
        alice.ssh("room", &[&format!("head -c {megabytes}000000 /dev/zero > filler")]);
        let screen = held.wait_for_line(said);
        assert_eq!(screen.lines().filter(|line| *line == said).count(), 1, "{screen}");
    }
    // The shell that is told of a full disk lives on.
    held.line("echo more > more");
    eventually(|| held.screen(), |screen| screen.contains("write error: File too large"));
    held.line("rm filler && echo $((40 + 2))");
    held.wait_for_line("42");
    // What is no terminal carries what the program writes, and nothing else.
    alice.ssh("room", &["pkill sleep"]).ok();
    let mut carried = String::new();
    stream.stdout.take().expect("stdout is piped").read_to_string(&mut carried).expect("text");
    stream.stderr.take().expect("stderr is piped").read_to_string(&mut carried).expect("text");
    assert_eq!(carried, "");
}
