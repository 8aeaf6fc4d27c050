//! What a good certificate opens, from wherever ssh takes it.

use std::path::Path;
use std::process::Command;

use spaces_tests::{eventually, run, timeout_command};

use crate::{
    CERTIFICATE_ALONE, DENIED_AT_THE_CONSOLE, Setting, certificate, denied, fingerprint, issue, shown, sign,
};

#[test]
fn a_certificate_opens_what_its_owner_may_use_and_its_key_need_not_be_registered() {
    let setting = Setting::new();
    let (robot, space) = (&setting.robot, setting.space.as_str());
    assert_eq!(robot.ssh("room", &["true"]).fails(255), denied("room"));
    let serial = setting.issue(&[]);
    for login in ["room", space] {
        assert_eq!(robot.ssh(login, &["echo hello; id -un"]).ok(), "hello\nspace\n");
    }
    assert_eq!(robot.ssh("spaces", &["whoami"]).ok(), "alice@example.com\n");
    assert_eq!(robot.ssh_with(&["-tt"], "room", &["test -t 0 && echo terminal"], b"").ok(), "terminal\r\n");
    robot.ssh("nowhere", &["true"]).fails(1);
    let shown = shown(robot);
    for expected in [
        format!("Serial: {serial}\n"),
        format!("Key ID: \"alice@example.com by {}\"\n", fingerprint(&setting.alice)),
        "Principals: \n                alice@example.com\n        Critical Options: (none)\n".to_owned(),
        "Extensions: \n                permit-X11-forwarding\n                permit-agent-forwarding\n                \
         permit-port-forwarding\n                permit-pty\n"
            .to_owned(),
    ] {
        assert!(shown.contains(&expected), "{expected} is not in {shown}");
    }
    let log = setting.platform.log().join("\n");
    let line = std::fs::read_to_string(certificate(robot)).expect("a certificate");
    assert!(log.contains(&serial), "the log tells of the serial");
    assert!(!log.contains(line.split(' ').nth(1).expect("its text")), "and of no certificate");
}

#[test]
fn every_kind_of_key_can_be_certified() {
    let setting = Setting::new();
    for kind in ["rsa", "ecdsa", "ed25519"] {
        for file in ["id", "id.pub", "id-cert.pub"] {
            drop(std::fs::remove_file(setting.robot.home.join(file)));
        }
        let mut make = Command::new("ssh-keygen");
        run(make.args(["-q", "-t", kind, "-N", "", "-f"]).arg(setting.robot.key()), b"").ok();
        setting.issue(&[]);
        assert_eq!(setting.robot.ssh("room", &["echo hello"]).ok(), "hello\n", "{kind}");
    }
}

#[test]
fn ssh_finds_a_certificate_in_an_agent_and_in_a_file_of_any_name() {
    let setting = Setting::new();
    let robot = &setting.robot;
    setting.issue(&[]);
    // ssh-add takes the certificate along. Then the files are out of the way.
    let away = robot.home.join("away");
    let script = "ssh-add -q \"$1\" && mkdir \"$2\" && mv \"$1\"* \"$2\" && shift 2 && exec \"$@\"";
    let mut agent = timeout_command("ssh-agent", 60);
    agent.args(["sh", "-c", script, "sh"]).arg(robot.key()).arg(&away);
    agent.args(["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentityFile=none", "-o"]);
    agent.arg(format!("UserKnownHostsFile={}", setting.platform.known_hosts().display()));
    agent.args(["-p", &setting.platform.port().to_string(), "room@127.0.0.1", "echo hello"]);
    assert_eq!(run(&mut agent, b"").ok(), "hello\n");
    let moved = |name: &str| std::fs::rename(away.join(name), robot.home.join(name)).expect("it is there");
    moved("id");
    moved("id.pub");
    assert_eq!(robot.ssh("room", &["true"]).fails(255), denied("room"));
    let elsewhere = format!("CertificateFile={}", away.join("id-cert.pub").display());
    assert_eq!(robot.ssh_with(&["-o", &elsewhere], "room", &["echo hello"], b"").ok(), "hello\n");
}

#[test]
fn a_certificate_is_good_for_its_time_alone() {
    let setting = Setting::new();
    let robot = &setting.robot;
    setting.issue(&["--ttl", "3s"]);
    assert_eq!(robot.ssh("room", &["echo hello"]).ok(), "hello\n");
    let ended = eventually(|| robot.ssh("room", &["true"]), |output| output.status == 255);
    assert_eq!(ended.stderr, denied("room"));
    setting.forge(&["-n", "alice@example.com", "-V", "20200101:20200102"]);
    assert_eq!(robot.ssh("room", &["true"]).fails(255), denied("room"));
    setting.forge(&["-n", "alice@example.com", "-V", "+1h:+2h"]);
    assert_eq!(robot.ssh("room", &["true"]).fails(255), denied("room"));
    eventually(|| setting.refusals(), |refusals| refusals == &["expired", "expired", "not valid yet"]);
    let longest = setting.alice.ssh("spaces", &["issue-cert", "--ttl", "25h"]);
    assert_eq!(
        longest.fails(2),
        "error: that is not an OpenSSH public key\nhint: give a public key on standard input: `issue-cert < id_ed25519.pub`\n"
    );
    let key = std::fs::read(robot.home.join("id.pub")).expect("a key");
    let longest = setting.alice.ssh_with(&[], "spaces", &["issue-cert", "--ttl", "25h"], &key);
    assert_eq!(
        longest.fails(1),
        "error: a certificate lives at most 1day here\nhint: issue another when it has ended\n"
    );
}

#[test]
fn a_registered_key_opens_whatever_the_certificate_beside_it_leaves_out() {
    let setting = Setting::new();
    let alice = &setting.alice;
    issue(alice, alice, &["--space", "room", "--command", "'echo lent'"]);
    assert_eq!(alice.ssh("room", &["echo own"]).ok(), "own\n");
    assert_eq!(alice.ssh_with(&CERTIFICATE_ALONE, "room", &["echo own"], b"").ok(), "lent\n");
    let console = |options: &[&str]| alice.ssh_with(options, "spaces", &["whoami"], b"");
    assert_eq!(console(&CERTIFICATE_ALONE).fails(255), DENIED_AT_THE_CONSOLE);
    assert_eq!(console(&[]).ok(), "alice@example.com\n");
    // Even one that is bad, and tried first.
    let ca = setting.platform.state().join("user_ca_key");
    sign(alice, &ca, &["-n", "alice@example.com", "-V", "20200101:20200102"]);
    let file = format!("CertificateFile={}", certificate(alice).display());
    assert_eq!(console(&["-o", &file]).ok(), "alice@example.com\n");
    let first = ["-o", "PubkeyAcceptedAlgorithms=*-cert-v01@openssh.com,ssh-ed25519"];
    assert_eq!(console(&first).ok(), "alice@example.com\n");
}

#[test]
fn files_and_forwards_work_as_with_a_key() {
    let setting = Setting::new();
    setting.issue(&[]);
    let mut scp = setting.robot.files_command("scp");
    let here = setting.robot.home.join("file");
    std::fs::write(&here, "contents").expect("a file");
    run(scp.arg("-q").arg(&here).arg("room@127.0.0.1:there"), b"").ok();
    assert_eq!(setting.robot.ssh("room", &["cat there"]).ok(), "contents");
    let server = "import socket\ns = socket.create_server(('127.0.0.1', 7001))\nprint('ready', flush=True)\n\
                  s.accept()[0].sendall(b'reached')";
    let mut listening = spaces_tests::Background::start(
        setting.robot.ssh_command().args(["room@127.0.0.1", &format!("python3 -c \"{server}\"")]),
    );
    let mut ready = [0; 6];
    std::io::Read::read_exact(listening.stdout.as_mut().expect("it is piped"), &mut ready)
        .expect("it starts");
    let through = setting.robot.ssh_with(&["-W", "localhost:7001"], "room", &[], b"");
    assert_eq!(through.ok(), "reached");
    assert!(Path::new(&here).exists());
}
