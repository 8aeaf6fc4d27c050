//! The engine stopped while the gateway runs, and the image that is not there.

use std::collections::BTreeMap;

use spaces_tests::{Engine, Platform, eventually};

use crate::agreement::{assert_agreement, contained, told};

fn platform_on(engine: &Engine, image: &str) -> Platform {
    let socket = engine.socket().display().to_string();
    // Its network is another one, where no rules of ours reach.
    let elsewhere = ("ISOLATION__FIREWALL", "external");
    Platform::start_with(&[("ENGINE__SOCKET", &socket), ("SPACE__IMAGE", image), elsewhere])
}

#[test]
fn while_the_engine_is_away_people_are_told_so_and_when_it_returns_spaces_run_again() {
    let mut engine = Engine::start();
    let platform = platform_on(&engine, Engine::IMAGE);
    let (alice, awake) = platform.owner("alice@example.com", "awake");
    let asleep = platform.create_space("alice@example.com", "asleep");
    alice.ssh("spaces", &["space", "down", "--space", "asleep"]).ok();
    platform.stranger("bob@example.com").ssh("join", &["request", "bob@example.com"]).ok();
    let pid = platform.pid();
    engine.stop();
    platform.wait_for_log("the engine does not answer");
    let away = "error: the container engine does not answer\nhint: try again later\n";
    for words in [["space", "up", "--space", "awake"], ["space", "down", "--space", "asleep"]] {
        assert_eq!(alice.ssh("spaces", &words).fails(75), away, "{words:?}");
        assert_eq!(alice.ssh("spaces", &words).fails(75), away, "{words:?}");
    }
    let admin = platform.admin();
    assert_eq!(admin.ssh("spaces", &["admin", "approve", "bob@example.com"]).fails(75), away);
    let create = ["admin", "create-space", "--owner", "bob@example.com", "--name", "room"];
    assert_eq!(admin.ssh("spaces", &create).fails(75), away);
    // What was refused was not half done.
    assert_eq!(admin.ssh("spaces", &["admin", "requests"]).ok().lines().count(), 2);
    assert!(!admin.ssh("spaces", &["admin", "users"]).ok().contains("bob@example.com"));
    assert_eq!(alice.ssh("awake", &["true"]).fails(75), away);
    assert_eq!(told(&[&alice])[&asleep], "stopped");
    let seen = platform.log().len();
    engine.start_again();
    platform.wait_for_log_after(seen, "store and engine agree");
    assert_agreement(&platform, &[&alice]);
    let states = contained(&platform);
    assert_eq!([&states[&awake], &states[&asleep]], ["running", "stopped"]);
    let approved = admin.ssh("spaces", &["admin", "approve", "bob@example.com"]);
    // On a busy machine there is progress before it.
    assert!(
        approved.stderr.contains("approved bob@example.com: space sp_3 named bob is running\n"),
        "{approved:?}"
    );
    assert_eq!(platform.pid(), pid);
}

#[test]
fn a_space_deleted_while_the_engine_is_away_goes_when_it_returns() {
    let mut engine = Engine::start();
    let platform = platform_on(&engine, Engine::IMAGE);
    let (alice, id) = platform.owner("alice@example.com", "room");
    engine.stop();
    platform.wait_for_log("the engine does not answer");
    alice.ssh("spaces", &["space", "delete", "--space", "room"]).fails(75);
    assert_eq!(told(&[&alice])[&id], "deleting");
    engine.start_again();
    eventually(|| told(&[&alice]), BTreeMap::is_empty);
    assert_agreement(&platform, &[&alice]);
}

#[test]
fn a_missing_image_is_named_and_a_space_runs_once_it_is_there() {
    let engine = Engine::start();
    // A registry where nobody listens: refused at once, wherever the test runs.
    let image = "localhost:1/nothing-here:latest";
    let mut platform = platform_on(&engine, image);
    let alice = platform.person("alice@example.com");
    let create = ["admin", "create-space", "--owner", "alice@example.com", "--name", "room"];
    let missing = format!(
        "error: the image `{image}` is not here and cannot be pulled\n\
                           hint: a platform admin can build or load it\n"
    );
    let refused = platform.admin().ssh("spaces", &create).fails(1);
    assert!(refused.ends_with(&missing), "{refused}");
    assert_eq!(told(&[&alice])["sp_1"], "failed");
    let refused = alice.ssh("spaces", &["space", "up", "--space", "room"]).fails(1);
    assert!(refused.ends_with(&missing), "{refused}");
    // Either the image comes to be there,
    engine.import(image);
    assert_eq!(alice.ssh("spaces", &["space", "up", "--space", "room"]).ok(), "space sp_1 is running\n");
    assert_agreement(&platform, &[&alice]);
    // or the configuration is corrected.
    platform.stop();
    platform.set("SPACE__IMAGE", "localhost:1/nor-this:latest");
    platform.serve();
    platform
        .admin()
        .ssh("spaces", &["admin", "create-space", "--owner", "alice@example.com", "--name", "den"])
        .fails(1);
    assert!(platform.stop());
    platform.set("SPACE__IMAGE", Engine::IMAGE);
    platform.serve();
    platform.wait_for_log("store and engine agree");
    alice.ssh("spaces", &["space", "delete", "--space", "den"]).ok();
    platform.create_space("alice@example.com", "den");
    assert_agreement(&platform, &[&alice]);
}
