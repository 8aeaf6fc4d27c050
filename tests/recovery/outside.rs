//! An operator, or an accident, touches a Space's container behind the platform's back.

use std::process::Command;

use spaces_tests::{Background, Person, Platform, eventually};

use crate::agreement::{assert_agreement, told};

fn docker(platform: &Platform, words: &[&str]) {
    let output = platform.docker().args(words).output().expect("docker runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn wait_for_state(person: &Person, id: &str, state: &str) {
    eventually(|| told(&[person]), |states| states.get(id).is_some_and(|told| told == state));
}

#[test]
fn a_container_stopped_from_outside_shows_as_stopped_and_up_starts_it_with_its_data() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    alice.ssh("room", &["echo kept > note"]).ok();
    docker(&platform, &["stop", &platform.container(&id)]);
    wait_for_state(&alice, &id, "stopped");
    let up = alice.ssh("spaces", &["space", "up", "--space", "room"]);
    assert_eq!(up.ok(), format!("space {id} is running\n"));
    assert_eq!(alice.ssh("room", &["cat note"]).ok(), "kept\n");
    docker(&platform, &["kill", &platform.container(&id)]);
    wait_for_state(&alice, &id, "stopped");
    // Nobody put it to sleep: to enter it is enough.
    assert_eq!(alice.ssh("room", &["cat note"]).ok(), "kept\n");
    assert_agreement(&platform, &[&alice]);
}

/// Between its end and the engine's word of it there is nobody who could let them in.
#[test]
fn who_enters_while_a_container_ends_is_let_into_the_next_run() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    for _round in 0..3 {
        let mut kill = Background::start(platform.docker().args(["kill", &platform.container(&id)]));
        while kill.try_wait().expect("it can be waited for").is_none() {
            let visit = alice.ssh("room", &["echo in"]);
            // Who was in before is cut off.
            let cut_off = visit.stderr.contains("went away");
            assert!(cut_off || visit.stdout == "in\n", "{visit:?}");
        }
        assert_eq!(alice.ssh("room", &["echo in"]).ok(), "in\n");
    }
}

#[test]
fn a_container_removed_from_outside_shows_as_missing_and_only_up_makes_it_anew() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    docker(&platform, &["rm", "-f", &platform.container(&id)]);
    wait_for_state(&alice, &id, "missing");
    // Its data is gone: that must not go unnoticed.
    let lost = "error: space `room` was removed from the engine\n\
                hint: `space up --space room` makes it anew, without its data\n";
    assert_eq!(alice.ssh("room", &["true"]).fails(1), lost);
    assert_eq!(
        alice.ssh("spaces", &["space", "up", "--space", "room"]).ok(),
        format!("space {id} is running\n")
    );
    assert_eq!(alice.ssh("room", &["ls"]).ok(), "");
    assert_agreement(&platform, &[&alice]);
    docker(&platform, &["rm", "-f", &platform.container(&id)]);
    wait_for_state(&alice, &id, "missing");
    let delete = alice.ssh("spaces", &["space", "delete", "--space", "room"]);
    assert_eq!(delete.ok(), format!("deleted space {id}\n"));
    assert_agreement(&platform, &[&alice]);
}

#[test]
fn what_happened_while_no_gateway_ran_is_found_at_the_next_start() {
    let mut platform = Platform::start();
    let (alice, running) = platform.owner("alice@example.com", "running");
    let stopped = platform.create_space("alice@example.com", "stopped");
    let removed = platform.create_space("alice@example.com", "removed");
    alice.ssh("spaces", &["space", "down", "--space", "stopped"]).ok();
    assert!(platform.stop());
    docker(&platform, &["stop", &platform.container(&running)]);
    docker(&platform, &["start", &platform.container(&stopped)]);
    docker(&platform, &["rm", "-f", &platform.container(&removed)]);
    // Looks like a Space of this platform that the store knows nothing of.
    let label = format!("dev.spaces.installation={}", platform.installation());
    let leftover = platform.container("sp_999");
    docker(&platform, &["create", "--name", &leftover, "--label", &label, "spaces-base:latest", "true"]);
    std::fs::create_dir(platform.state().join("run/sp_998")).expect("a folder");
    platform.serve();
    platform.wait_for_log("store and engine agree");
    let states = told(&[&alice]);
    assert_eq!([&states[&running], &states[&stopped], &states[&removed]], ["running", "stopped", "missing"]);
    assert!(!platform.engine_holds(&["ps", "-a"]).contains(&leftover));
    assert!(!platform.state().join("run/sp_998").exists());
}

#[test]
fn a_restart_takes_seconds_and_finds_the_spaces_running() {
    let mut platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    alice.ssh("room", &["nohup sleep 1000 >/dev/null 2>&1 & echo $! > pid"]).ok();
    assert!(platform.stop(), "SIGTERM should end it well");
    let state = Command::new("docker")
        .args(["inspect", "-f", "{{.State.Running}}", &platform.container(&id)])
        .output();
    assert_eq!(state.expect("docker runs").stdout, b"true\n");
    let begun = std::time::Instant::now();
    platform.serve();
    assert_eq!(alice.ssh("room", &["kill -0 $(cat pid) && echo alive"]).ok(), "alive\n");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(told(&[&alice])[&id], "running");
}
