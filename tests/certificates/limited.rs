//! What a certificate leaves out: other Spaces, other commands, forwards, the console.

use std::io::Write as _;
use std::process::Command;

use spaces_tests::{eventually, run};

use crate::{DENIED_AT_THE_CONSOLE, Setting, denied, shown};

#[test]
fn one_for_a_space_enters_that_space_and_nothing_else() {
    let setting = Setting::new();
    let other = setting.platform.create_space("alice@example.com", "other");
    let (robot, space) = (&setting.robot, setting.space.as_str());
    setting.issue(&["--space", "room"]);
    assert!(shown(robot).contains(&format!("Principals: \n                {space}\n")));
    for login in ["room", space] {
        assert_eq!(robot.ssh(login, &["echo hello"]).ok(), "hello\n");
    }
    for login in ["other", other.as_str(), "nowhere"] {
        assert_eq!(robot.ssh(login, &["true"]).fails(255), denied(login));
    }
    for words in [&["whoami"][..], &["list"], &["connect", "room", "--", "true"]] {
        assert_eq!(robot.ssh("spaces", words).fails(255), DENIED_AT_THE_CONSOLE);
    }
    let subsystem = robot.ssh_with(&["-s"], "spaces", &["spaces"], b"");
    assert_eq!(subsystem.fails(255), DENIED_AT_THE_CONSOLE);
    assert!(setting.refusals().iter().all(|reason| reason == "for another principal"));
    assert!(setting.trail("space.enter").iter().all(|row| row.starts_with(&format!("{space} | done"))));
    // Who may not enter a Space cannot let others in.
    let key = std::fs::read(robot.home.join("id.pub")).expect("a key");
    let bob = setting.platform.person("bob@example.com");
    let refused = bob.ssh_with(&[], "spaces", &["issue-cert", "--space", space], &key).fails(1);
    assert!(refused.starts_with(&format!("error: no space named `{space}`\n")), "{refused}");
}

#[test]
fn one_for_a_command_runs_that_and_tells_it_what_was_asked_for() {
    let setting = Setting::new();
    let robot = &setting.robot;
    setting.issue(&["--space", "room", "--command", "'printf \"%s.\" \"${SSH_ORIGINAL_COMMAND-none}\"'"]);
    assert_eq!(robot.ssh("room", &["rm -rf ~ 'a  b'"]).ok(), "rm -rf ~ 'a  b'.");
    assert_eq!(robot.ssh("room", &[]).ok(), "none.");
    assert_eq!(robot.ssh_with(&["-s"], "room", &["sftp"], b"").ok(), "internal-sftp.");
    let lie = ["-o", "SetEnv=SSH_ORIGINAL_COMMAND=lie"];
    assert_eq!(robot.ssh_with(&lie, "room", &["truth"], b"").ok(), "truth.");
    // Over many sessions of one connection too.
    let shared = spaces_tests::Multiplex::connect(robot, &[], "room");
    assert_eq!(shared.ssh(&["first"]).ok(), "first.");
    assert_eq!(shared.ssh(&["second"]).ok(), "second.");
    assert_eq!(robot.ssh("spaces", &["list"]).fails(255), DENIED_AT_THE_CONSOLE);
}

#[test]
fn one_for_a_command_forwards_nothing() {
    let setting = Setting::new();
    let robot = &setting.robot;
    let sshd = ["-o", "ExitOnForwardFailure=yes"];
    let forwards = [["-W", "localhost:22"], ["-R", "0:localhost:22"], ["-R", "/tmp/s:/tmp/t"]];
    setting.issue(&["--command", "'echo ${SSH_AUTH_SOCK-no agent}'"]);
    for forward in forwards {
        let output = robot.ssh_with(&[sshd, forward].concat(), "room", &["true"], b"");
        assert_eq!((output.status, output.stdout.as_str()), (255, ""), "{forward:?}: {}", output.stderr);
    }
    let mut agent = Command::new("ssh-agent");
    agent.args(["sh", "-c", &format!("{} -A room@127.0.0.1 true", robot.ssh_line())]);
    assert_eq!(run(&mut agent, b"").ok(), "no agent\n");
    // The friendly twin: without a command they are not left out.
    setting.issue(&[]);
    let listening = robot.ssh_with(&[sshd, forwards[1]].concat(), "room", &["echo listening"], b"");
    assert_eq!(listening.ok(), "listening\n");
    let mut agent = Command::new("ssh-agent");
    let line = format!("{} -A room@127.0.0.1 'test -S $SSH_AUTH_SOCK && echo lent'", robot.ssh_line());
    agent.args(["sh", "-c", &line]).env_remove("SSH_AUTH_SOCK");
    assert_eq!(run(&mut agent, b"").ok(), "lent\n");
}

#[test]
fn internal_sftp_as_the_command_is_sftp_and_nothing_else() {
    let setting = Setting::new();
    setting.issue(&["--command", "internal-sftp"]);
    let batch = setting.robot.home.join("batch");
    std::fs::File::create(&batch).expect("a file").write_all(b"mkdir made\n").expect("it is written");
    run(setting.robot.files_command("sftp").arg("-b").arg(&batch).arg("room@127.0.0.1"), b"").ok();
    setting.robot.ssh("room", &["touch made/not"]);
    assert_eq!(setting.alice.ssh("room", &["ls -A made"]).ok(), "");
}

#[test]
fn one_for_an_address_is_good_from_there_alone() {
    let setting = Setting::new();
    let robot = &setting.robot;
    setting.issue(&["--source-address", "192.0.2.0/24,::1"]);
    assert_eq!(robot.ssh("room", &["true"]).fails(255), denied("room"));
    eventually(|| setting.refusals(), |refusals| refusals == &["from an address that it does not name"]);
    setting.issue(&["--source-address", "192.0.2.0/24,127.0.0.0/8"]);
    assert_eq!(robot.ssh("room", &["echo hello"]).ok(), "hello\n");
    let wrong = setting.alice.ssh("spaces", &["issue-cert", "--source-address", "127.0.0.1/8"]).fails(2);
    assert!(wrong.contains("`127.0.0.0/8` is the network"), "{wrong}");
}
