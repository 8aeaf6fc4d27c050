//! Engines that are set up otherwise: with mapped users, with another runtime.

use spaces_tests::{Engine, Person, Platform, run};

/// A platform of this engine, which is in another network than this host, with this setting. First it is served with
/// another one, which does not fit the engine: no Space is made, the person is told so, and the operator why.
#[track_caller]
fn served_after_a_misfit(engine: &Engine, (key, fit): (&str, &str), misfit: &str, why: &str) -> Platform {
    let socket = engine.socket().display().to_string();
    let settings = [("ENGINE__SOCKET", socket.as_str()), ("ISOLATION__FIREWALL", "external"), (key, fit)];
    let mut platform = Platform::prepare(&settings);
    platform.set(key, misfit);
    platform.serve();
    platform.log_admin_in();
    let refused = platform.admin().ssh("spaces", &CREATE).fails(1);
    assert!(refused.ends_with(OTHERWISE), "{refused}");
    let checked = run(&mut platform.gateway_command(&["check"]), b"");
    assert!(checked.status == 1 && checked.stderr.contains(why), "{checked:?}");
    platform.stop();
    platform.set(key, fit);
    platform.serve();
    platform.wait_for_log("store and engine agree");
    platform
}

const CREATE: [&str; 6] = ["admin", "create-space", "--owner", "alice@example.com", "--name", "room"];

const OTHERWISE: &str = "error: the container engine is not set up as the platform's configuration says\n\
                         hint: `spaces-gateway check` tells a platform admin why\n";

/// Whose room was asked for in vain, and is made now.
fn alice_and_her_room(platform: &Platform) -> (Person, String) {
    let alice = platform.person("alice@example.com");
    alice.ssh("spaces", &["space", "up", "--space", "room"]).ok();
    let id = alice
        .ssh("spaces", &["list"])
        .ok()
        .lines()
        .nth(1)
        .and_then(|row| row.split(' ').next())
        .expect("a row")
        .to_owned();
    (alice, id)
}

#[test]
fn root_of_a_space_is_nobody_on_the_host_where_the_engine_maps_users() {
    let engine = Engine::start_mapping_users();
    let fit = ("ISOLATION__USER_NAMESPACE", Engine::MAPPED_ROOT);
    let mut platform = served_after_a_misfit(&engine, fit, "", "mapped, with 200000:200000 for root");
    let (alice, id) = alice_and_her_room(&platform);
    let map = alice.ssh("room", &["cat /proc/self/uid_map"]).ok();
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "200000", "65536"]);
    assert_eq!(alice.ssh("room", &["id -un; sudo id -un"]).ok(), "space\nroot\n");
    // As the host sees it: root of the Space is not root.
    let mut docker = engine.docker();
    let pid = run(docker.args(["inspect", "-f", "{{.State.Pid}}", &platform.container(&id)]), b"").ok();
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).expect("its status");
    assert!(status.contains("\nUid:\t200000\t200000\t"), "{status}");
    // What else goes past users: files, the socket of a new gateway, holds.
    alice.ssh("room", &["sudo touch /root/x && sudo chown space /root/x"]).ok();
    platform.kill();
    platform.serve();
    let entered = || alice.ssh("room", &["echo entered"]);
    assert_eq!(spaces_tests::eventually(entered, |output| output.status == 0).ok(), "entered\n");
    assert!(alice.ssh("room", &["spaces hold 1h"]).ok().starts_with("the space stays up until "));
}

#[test]
fn spaces_run_by_the_runtime_that_the_configuration_names() {
    let runc = run(std::process::Command::new("sh").args(["-c", "command -v runc"]), b"").ok();
    let engine = Engine::start_with(&["--add-runtime", &format!("other={}", runc.trim())]);
    let fit = ("ENGINE__RUNTIME", "other");
    let platform = served_after_a_misfit(&engine, fit, "nonesuch", "no runtime named `nonesuch`");
    let (alice, id) = alice_and_her_room(&platform);
    assert_eq!(alice.ssh("room", &["echo alive"]).ok(), "alive\n");
    let mut docker = engine.docker();
    let format = ["inspect", "-f", "{{.HostConfig.Runtime}}", &platform.container(&id)];
    assert_eq!(run(docker.args(format), b"").ok(), "other\n");
}
