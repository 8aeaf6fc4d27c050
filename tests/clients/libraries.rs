//! paramiko, on which Ansible, Fabric and many a script of one's own build.

use std::process::Command;

use spaces_tests::{Background, Sshd, eventually, repository, run};

use crate::{Setting, paramiko};

#[test]
fn requests_are_answered_as_by_sshd() {
    let setting = Setting::new();
    let sshd = Sshd::start(&setting.platform, &setting.person, "room");
    let visitor = sshd.visitor(&setting.person);
    let theirs = paramiko(&visitor, "space", "requests.py", &[], &setting.folder).ok();
    let ours = setting.paramiko("requests.py", &[]).ok();
    assert!(theirs.lines().count() > 20, "{theirs}");
    assert_eq!(ours, theirs, "ours: {ours}\nsshd's: {theirs}");
}

#[test]
fn sessions_by_paramiko_do_what_they_do_with_sshd() {
    let setting = Setting::new();
    let told = setting.paramiko("sessions.py", &["programs", "shell", "threads", "rekeys"]).ok();
    assert_eq!(told, "programs\nshell\nthreads\nrekeys\n");
    // The gateway is the one who wants new keys, in the middle of everything.
    let setting = Setting::with(&[("LIMITS__REKEY_MIB", "1")]);
    assert_eq!(setting.paramiko("sessions.py", &["programs", "threads"]).ok(), "programs\nthreads\n");
}

#[test]
fn files_by_paramiko_are_read_written_and_named() {
    let setting = Setting::new();
    assert_eq!(setting.paramiko("files.py", &[]).ok(), "transfers\nnames\nmany\n");
    assert_eq!(setting.inside("ls; cat log"), "log\nmany\nremote\none\ntwo\n");
}

#[test]
fn forwards_and_an_agent_by_paramiko_lead_both_ways() {
    let setting = Setting::new();
    let socket = setting.folder.join("agent.sock");
    let _agent = Background::start(Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket));
    eventually(|| socket.exists(), |there| *there);
    let mut add = Command::new("ssh-add");
    run(add.arg("-q").arg(setting.person.key()).env("SSH_AUTH_SOCK", &socket), b"").ok();
    let script = repository().join("tests/clients/paramiko/forwards.py");
    let mut command = setting.person.paramiko_command("room", &script);
    let told = run(command.env("SSH_AUTH_SOCK", &socket), b"").ok();
    assert_eq!(told, "direct\nreverse\nagent\n");
}
