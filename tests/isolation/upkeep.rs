//! A gateway that may not set the rules.

use spaces_tests::{Engine, Platform};

/// Its bridges are in another network namespace: as with an engine on another machine, our rules do not reach them.
#[test]
fn where_the_rules_cannot_hold_no_space_starts_unless_the_operator_answers_for_it() {
    let engine = Engine::start();
    let socket = engine.socket().display().to_string();
    let settings = [("ENGINE__SOCKET", socket.as_str()), ("SPACE__IMAGE", Engine::IMAGE)];
    let mut platform = Platform::start_with(&settings);
    let alice = platform.person("alice@example.com");
    let create = ["admin", "create-space", "--owner", "alice@example.com", "--name", "room"];
    let refused = platform.admin().ssh("spaces", &create).fails(1);
    let told = "error: the platform cannot keep spaces apart here, so it starts none\n\
                hint: `spaces-gateway check` tells a platform admin why\n";
    assert!(refused.ends_with(told), "{refused}");
    platform.wait_for_log("the engine's network is not this host's");
    // Nor by another way in: there may be a container by now that could be started.
    let up = alice.ssh("spaces", &["space", "up", "--space", "room"]).fails(1);
    assert!(up.ends_with(told), "{up}");
    let entered = alice.ssh("room", &["true"]).fails(1);
    assert!(entered.ends_with(told), "{entered}");
    platform.stop();
    platform.serve();
    platform.wait_for_log("store and engine agree");
    assert!(!engine_runs(&engine), "it runs where nothing holds it");
    let states = alice.ssh("spaces", &["list"]).ok();
    assert!(states.contains("failed"), "{states}");
    platform.stop();
    platform.set("ISOLATION__FIREWALL", "external");
    platform.serve();
    spaces_tests::eventually(|| alice.ssh("spaces", &["list"]).ok(), |listed| listed.contains("running"));
}

fn engine_runs(engine: &Engine) -> bool {
    let output = engine.docker().args(["ps", "-q"]).output().expect("docker runs");
    !output.stdout.is_empty()
}
