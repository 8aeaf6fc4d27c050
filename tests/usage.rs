//! What a Space uses, and why it is as it is: the figures are true, and the sentences too.

use serde_json::Value;
use spaces_tests::{Background, Person, Platform, eventually};

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
    let ended = "its memory limit of 128 MiB has ended processes since it was started: ";
    assert!(why(&alice).contains(ended), "{}", why(&alice));
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    let stopped = format!("space {id} is stopped: somebody stopped it; `space up --space room` starts it\n");
    assert_eq!(why(&alice), stopped);
    let reasons = json(&alice, &["space", "why", "--space", "room"]);
    assert_eq!(reasons["reasons"][0]["code"], "stopped");
}
