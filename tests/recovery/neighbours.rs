//! Several gateways on one machine: never on one state folder, and always side by side on one engine.

use spaces_tests::{Platform, run, timeout_command};

use crate::agreement::{assert_agreement, told};

#[test]
fn two_gateways_cannot_serve_one_state_folder() {
    let platform = Platform::start();
    let serve = platform.gateway_command(&["serve"]);
    let mut second = timeout_command(serve.get_program(), 20);
    second.args(serve.get_args());
    for (key, value) in serve.get_envs() {
        second.env(key, value.unwrap_or_default());
    }
    let second = run(second.env("SPACES_GATEWAY_LISTEN", "127.0.0.1:0"), b"");
    let refused = format!("error: another gateway serves the state folder {}\n", platform.state().display());
    assert_eq!(second.fails(1), refused);
    assert_eq!(platform.admin().ssh("spaces", &["whoami"]).ok(), "root@example.com\n");
}

#[test]
fn two_platforms_on_one_engine_do_not_see_each_others_spaces() {
    let (mut here, there) = (Platform::start(), Platform::start());
    let (alice, id) = here.owner("alice@example.com", "room");
    let (bob, same_id) = there.owner("bob@example.com", "room");
    assert_eq!((id.as_str(), same_id.as_str()), ("sp_1", "sp_1"));
    bob.ssh("room", &["echo mine > note"]).ok();
    // The start compares everything that the engine has with one store.
    here.kill();
    here.serve();
    here.wait_for_log("store and engine agree");
    assert_agreement(&here, &[&alice]);
    assert_agreement(&there, &[&bob]);
    alice.ssh("spaces", &["space", "delete", "--space", "room"]).ok();
    assert_agreement(&here, &[&alice]);
    assert_agreement(&there, &[&bob]);
    assert_eq!(told(&[&bob])["sp_1"], "running");
    assert_eq!(bob.ssh("room", &["cat note"]).ok(), "mine\n");
}
