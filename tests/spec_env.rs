//! `tests/spec-env`, which the executable documents and people who try them out stand on.

use std::path::Path;
use std::process::Command;

use spaces_tests::spec::Environment;
use spaces_tests::{run, timeout_command};

/// What `sh` prints that has sourced test-env, under the strictest of its modes.
fn sourced(environment: &Environment, script: &str) -> String {
    let mut command = timeout_command("sh", 60);
    command.arg("-euc").arg(format!(". .specdown/test-env; {script}")).current_dir(environment.folder());
    run(&mut command, b"").ok().trim_end().to_owned()
}

fn whoami_by_ssh(environment: &Environment) -> String {
    let options =
        "-F none -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o LogLevel=ERROR";
    let script = format!(
        "ssh {options} -i \"$SPACES_ADMIN_KEY\" -o UserKnownHostsFile=\"$SPACES_KNOWN_HOSTS\" \
         -p $SPACES_SSH_PORT spaces@$SPACES_SSH_HOST whoami"
    );
    sourced(environment, &script)
}

#[test]
fn sourcing_it_gives_an_admin_by_ssh_and_functions_that_print_their_answer_alone() {
    let environment = Environment::up();
    assert_eq!(whoami_by_ssh(&environment), "admin@example.com");
    assert_eq!(sourced(&environment, "spaces_create_space alice@example.com my-room 2>&1"), "sp_1");
    for issue in ["alice@example.com admin", "bob@example.com member my-room"] {
        let key = sourced(&environment, &format!("spaces_issue_auth_key {issue} 2>&1"));
        assert!(key.starts_with("spaces_") && key.lines().count() == 1, "{key}");
    }
    let refused =
        sourced(&environment, "spaces_create_space alice@example.com my-room 2>&1 || echo status $?");
    let expected =
        "error: alice@example.com has a space named `my-room` already\nhint: choose another name\nstatus 1";
    assert_eq!(refused, expected);
}

#[test]
fn up_changes_nothing_beside_a_live_gateway_and_starts_a_dead_one_again_on_its_state() {
    let environment = Environment::up();
    let told = |name: &str| sourced(&environment, &format!("echo ${name}"));
    let (pid, url) = (told("SPACES_GATEWAY_PID"), told("SPACES_BASE_URL"));
    sourced(&environment, "spaces_create_space alice@example.com my-room");
    environment.spec_env("up").unwrap();
    assert_eq!(told("SPACES_GATEWAY_PID"), pid);
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    environment.spec_env("up").unwrap();
    assert_ne!(told("SPACES_GATEWAY_PID"), pid);
    assert_eq!(told("SPACES_BASE_URL"), url);
    assert_eq!(whoami_by_ssh(&environment), "admin@example.com");
    assert_eq!(sourced(&environment, "spaces_create_space alice@example.com other"), "sp_2");
}

#[test]
fn down_leaves_nothing_of_a_platform_whether_its_gateway_lives_or_not() {
    for end in ["true", "kill -KILL $SPACES_GATEWAY_PID"] {
        let environment = Environment::up();
        let pid = sourced(
            &environment,
            "spaces_create_space alice@example.com my-room >&2; echo $SPACES_GATEWAY_PID",
        );
        let installation =
            std::fs::read_to_string(environment.folder().join(".specdown/platform/installation"));
        let label = format!("label=dev.spaces.installation={}", installation.unwrap().trim());
        sourced(&environment, end);
        environment.spec_env("down").unwrap();
        for what in [["ps", "-aq"], ["network", "ls"]] {
            let mut docker = timeout_command("docker", 60);
            docker.args(what).args(["--format", "{{.ID}}", "--filter", &label]);
            assert_eq!(run(&mut docker, b"").ok(), "", "{what:?}");
        }
        assert!(!environment.folder().join(".specdown").exists());
        let arguments = std::fs::read(Path::new("/proc").join(&pid).join("cmdline")).unwrap_or_default();
        assert!(arguments.is_empty(), "the gateway lives: {pid}");
        environment.spec_env("down").unwrap();
    }
}
