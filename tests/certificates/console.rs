//! Certificates at the console: what they cannot do there, how they are listed, and how `spaces` writes them.

use std::os::unix::fs::PermissionsExt as _;

use spaces_tests::Person;

use crate::{Setting, certificate, fingerprint, issue};

const REFUSED: &str =
    "error: you came with a certificate, which cannot do that\nhint: come with a device key\n";

/// The attack: whoever got hold of a certificate, an admin's even, for minutes, tries to stay.
#[test]
fn a_certificate_cannot_make_itself_permanent() {
    let setting = Setting::new();
    let (admin, robot) = (setting.platform.admin(), &setting.robot);
    let serial = issue(admin, robot, &[]);
    assert_eq!(robot.ssh("spaces", &["whoami"]).ok(), "root@example.com\n");
    let key = std::fs::read(robot.home.join("id.pub")).expect("a key");
    for words in [
        &["key", "add"][..],
        &["key", "remove", &fingerprint(admin), "--last"],
        &["issue-cert", "--ttl", "24h"],
        &["cert", "revoke", &serial],
        &["auth", "logout"],
        &["admin", "users"],
        &["admin", "issue-key", "robot@example.com", "--role", "admin"],
        &["admin", "grant", "alice@example.com"],
        &["admin", "audit"],
    ] {
        let output = robot.ssh_with(&[], "spaces", words, &key);
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str(), output.status),
            ("", REFUSED, 1),
            "{words:?}"
        );
    }
    let request = r#"{"version":1,"id":1,"command":{"issue-cert":{"public_key":"KEY"}}}"#;
    let request = request.replace("KEY", String::from_utf8_lossy(&key).trim());
    let answer = robot.ssh_with(&["-s"], "spaces", &["spaces"], request.as_bytes()).ok();
    assert!(answer.contains("you came with a certificate"), "{answer}");
    let screen = robot.ssh_with(&[], "spaces", &[], b"admin users\nwhoami\n");
    assert_eq!((screen.stdout.as_str(), screen.stderr.as_str()), ("root@example.com\n", REFUSED));
    let issued = setting.trail("cert.issue");
    let refused =
        format!("- | refused | you came with a certificate, which cannot do that; by certificate {serial}");
    assert_eq!(issued.first(), Some(&refused));
    // The friendly twin.
    admin.ssh("spaces", &["admin", "users"]).ok();
}

#[test]
fn those_that_can_be_used_are_listed() {
    let setting = Setting::new();
    let serial = setting.issue(&["--space", "room"]);
    let (alice, robot) = (fingerprint(&setting.alice), fingerprint(&setting.robot));
    let listed = setting.alice.ssh("spaces", &["cert", "list"]).ok();
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["serial", "fingerprint", "issued_by", "space", "created_at", "expires_at"]);
    assert_eq!(rows[1][..4], [&serial, &robot, &alice, &setting.space]);
    let json = setting.alice.ssh("spaces", &["cert", "list", "--json"]).ok();
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(rows[0]["serial"], serial.as_str());
    let nobodys = setting.platform.admin().ssh("spaces", &["cert", "list"]).ok();
    assert_eq!(nobodys.lines().count(), 1, "{nobodys}");
}

/// A session of `spaces`, with the key that is registered.
fn logged_in(setting: &Setting) -> &Person {
    let alice = &setting.alice;
    let auth_key = alice.private_file("auth", &setting.platform.auth_key(&alice.email));
    let (auth_key, key) = (auth_key.display().to_string(), alice.key().display().to_string());
    alice.spaces(&["login", &alice.email, "--key-file", &auth_key, "--identity", &key]).ok();
    alice
}

#[test]
fn spaces_writes_a_certificate_beside_the_key() {
    let setting = Setting::new();
    let (alice, robot) = (logged_in(&setting), &setting.robot);
    let (key, path) = (robot.key().display().to_string(), certificate(robot));
    let written = alice.spaces(&["issue-cert", "--identity-file", &key, "--space", "room"]).ok();
    assert_eq!(written, format!("{}\n", path.display()));
    assert_eq!(robot.ssh("room", &["echo hello"]).ok(), "hello\n");
    // From the private half alone, even if it has a passphrase.
    let mut locked = std::process::Command::new("ssh-keygen");
    spaces_tests::run(locked.args(["-q", "-p", "-N", "secret", "-f"]).arg(robot.key()), b"").ok();
    for file in [&path, &robot.home.join("id.pub")] {
        std::fs::remove_file(file).expect("it is there");
    }
    let json = alice.spaces(&["issue-cert", "--identity-file", &key, "--json"]).ok();
    let data: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let text = std::fs::read_to_string(&path).expect("a certificate");
    assert_eq!(data["certificate"].as_str(), Some(text.trim_end()));
    assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    // What fails leaves the file as it was.
    alice.spaces(&["issue-cert", "--identity-file", &key, "--ttl", "25h"]).fails(1);
    assert_eq!(std::fs::read_to_string(&path).expect("a certificate"), text);
    let absent = alice.spaces(&["issue-cert", "--identity-file", "/nowhere/id"]).fails(1);
    assert!(absent.starts_with("error: cannot read the key /nowhere/id:"), "{absent}");
}

/// Who certifies another's device key would hide behind it.
#[test]
fn a_key_that_is_somebody_elses_is_not_certified() {
    let setting = Setting::new();
    let bob = setting.platform.person("bob@example.com");
    let key = std::fs::read(bob.home.join("id.pub")).expect("a key");
    let refused = setting.alice.ssh_with(&[], "spaces", &["issue-cert"], &key).fails(1);
    assert_eq!(
        refused,
        "error: that key belongs to somebody else here\nhint: make another with `ssh-keygen -t ed25519`\n"
    );
    let private = std::fs::read(setting.alice.key()).expect("a key");
    let refused = setting.alice.ssh_with(&[], "spaces", &["issue-cert"], &private).fails(2);
    assert!(refused.starts_with("error: that is a private key"), "{refused}");
}
