//! Certificates with one thing wrong, each made by stock ssh-keygen and shown by stock ssh. Whoever shows one is told
//! what the holder of any unknown key is told; the log and the audit trail know why.

use std::process::Command;

use russh::keys::Certificate;
use spaces_tests::{Multiplex, eventually, run};

use crate::client::{client, exec, key_of, leave};
use crate::{Setting, certificate, denied, sign};

/// Shows the certificate that lies there now: refused, told nothing, logged once.
#[track_caller]
fn is_refused(setting: &Setting, options: &[&str], reason: &str) {
    let before = setting.refusals().len();
    let output = setting.robot.ssh_with(options, "room", &["true"], b"");
    assert_eq!(output.fails(255), denied("room"), "{reason}");
    // The log is read by another thread than this.
    let news = || setting.refusals().split_off(before);
    eventually(news, |news| !news.is_empty());
    assert_eq!(news(), [reason.to_owned()]);
}

#[test]
fn a_certificate_with_anything_wrong_is_refused_and_its_siblings_are_not_disturbed() {
    let setting = Setting::new();
    let sibling = Multiplex::connect(&setting.alice, &[], "room");
    let alice = ["-n", "alice@example.com"];
    let space = ["-n", setting.space.as_str()];
    for (arguments, reason) in [
        (&vec![], "for another principal"),
        (&vec!["-n", "root"], "for another principal"),
        (&vec!["-n", "alice@example.com,bob@example.com"], "for another principal"),
        (
            &[&alice[..], &["-O", "critical:more@example.com=x"]].concat(),
            "a critical option is not known here",
        ),
        (&[&alice[..], &["-O", "verify-required"]].concat(), "a critical option is not known here"),
        (&[&alice[..], &["-O", "critical:source-address=home"]].concat(), "a critical option makes no sense"),
        (
            &[&alice[..], &["-O", "source-address=192.0.2.0/24"]].concat(),
            "from an address that it does not name",
        ),
        (&[&alice[..], &["-O", "force-command=id", "-V", "-2h:-1h"]].concat(), "expired"),
        // Right in every respect, and signed with the right key: but not by this platform.
        (&[&alice[..], &["-z", "7"]].concat(), "not issued here"),
        (&[&space[..], &["-z", "0"]].concat(), "not issued here"),
        (&[&space[..], &["-z", "18446744073709551615"]].concat(), "not issued here"),
    ] {
        setting.forge(arguments);
        is_refused(&setting, &[], reason);
        assert_eq!(sibling.ssh(&["echo hello"]).ok(), "hello\n");
    }
    // And in the audit trail, which whoever holds no certificate of ours cannot fill.
    let trail = setting.trail("session.login");
    assert!(trail.contains(&"certificate 7 | refused | not issued here".to_owned()), "{trail:#?}");
    assert_eq!(trail.iter().filter(|row| row.contains("refused")).count(), 11);
    // The friendly twin.
    setting.issue(&[]);
    assert_eq!(setting.robot.ssh("room", &["echo hello"]).ok(), "hello\n");
}

/// Stock ssh keeps such a certificate to itself.
#[tokio::test]
async fn a_certificate_of_host_type_is_refused() {
    let setting = Setting::new();
    let show = async || {
        let certificate = Certificate::read_file(&certificate(&setting.robot)).expect("a certificate");
        let mut client = client(&setting.platform).await;
        let key = key_of(&setting.robot).into();
        let answer = client.authenticate_openssh_cert("room", key, certificate).await.expect("an answer");
        if answer.success() {
            assert_eq!(exec(&client, b"echo hello").await.1, "hello\n");
        }
        leave(client).await;
        answer
    };
    setting.forge(&["-h", "-n", "alice@example.com"]);
    assert!(!show().await.success());
    eventually(|| setting.refusals(), |refusals| refusals == &["not a user certificate"]);
    // The friendly twin.
    setting.issue(&[]);
    assert!(show().await.success());
}

/// The attack: the certificate of somebody else, which is no secret, and a key of one's own to sign with.
#[tokio::test]
async fn a_certificate_opens_nothing_without_its_key() {
    let setting = Setting::new();
    setting.issue(&[]);
    let mallory = setting.platform.stranger("mallory@example.com");
    let certificate = Certificate::read_file(&certificate(&setting.robot)).expect("a certificate");
    let mut client = client(&setting.platform).await;
    let key = key_of(&mallory).into();
    let answer = client.authenticate_openssh_cert("room", key, certificate).await.expect("an answer");
    assert!(!answer.success());
    assert!(!setting.platform.log().iter().any(|line| line.contains("authenticated by certificate")));
}

/// The attack: a CA of one's own, whose public half nobody here believes, with every name right.
#[test]
fn a_certificate_of_a_strangers_authority_opens_nothing_and_is_not_in_the_trail() {
    let setting = Setting::new();
    let stranger = setting.platform.stranger("mallory@example.com");
    for principal in ["alice@example.com", setting.space.as_str(), "root@example.com"] {
        sign(&setting.robot, &stranger.key(), &["-n", principal]);
        is_refused(&setting, &[], "signed by another authority");
    }
    // The key that it names is a registered one's: to be certified by its own key is no more.
    sign(&setting.robot, &setting.alice.key(), &["-n", "alice@example.com"]);
    is_refused(&setting, &[], "signed by another authority");
    // The host CA vouches for gateways, not for people.
    let host_ca = setting.platform.state().join("host_ca_key");
    sign(&setting.robot, &host_ca, &["-n", "alice@example.com"]);
    is_refused(&setting, &[], "signed by another authority");
    assert!(!setting.trail("session.login").iter().any(|row| row.contains("refused")));
}

/// The attack: the serial of a certificate that stands, with more in it.
#[test]
fn a_copied_serial_with_other_contents_opens_nothing() {
    let setting = Setting::new();
    let serial = setting.issue(&["--space", "room", "--command", "true"]);
    setting.robot.ssh("room", &["true"]).ok();
    setting.forge(&["-n", "alice@example.com", "-z", &serial]);
    is_refused(&setting, &[], "not issued here");
    setting.forge(&["-n", &setting.space, "-z", &serial]);
    is_refused(&setting, &[], "not issued here");
}

#[test]
fn a_weak_key_and_a_weak_signature_are_refused() {
    let setting = Setting::new();
    let robot = &setting.robot;
    let make = |arguments: &[&str]| {
        for file in ["id", "id.pub"] {
            std::fs::remove_file(robot.home.join(file)).expect("it is there");
        }
        let mut make = Command::new("ssh-keygen");
        run(make.args(["-q", "-N", "", "-f"]).arg(robot.key()).args(arguments), b"").ok();
    };
    make(&["-t", "rsa", "-b", "1024"]);
    setting.forge(&["-n", "alice@example.com"]);
    is_refused(
        &setting,
        &["-o", "PubkeyAcceptedAlgorithms=rsa-sha2-512-cert-v01@openssh.com"],
        "its key is too weak",
    );
    let public = std::fs::read(robot.home.join("id.pub")).expect("a key");
    let refused = setting.alice.ssh_with(&[], "spaces", &["issue-cert"], &public).fails(2);
    assert!(refused.starts_with("error: keys of that kind are too weak\n"), "{refused}");
    // SHA-1, for a key that is good enough with another hash.
    make(&["-t", "rsa", "-b", "2048"]);
    setting.issue(&[]);
    let sha1 = ["-o", "PubkeyAcceptedAlgorithms=ssh-rsa-cert-v01@openssh.com"];
    assert_eq!(robot.ssh_with(&sha1, "room", &["true"], b"").fails(255), denied("room"));
    assert_eq!(robot.ssh("room", &["echo hello"]).ok(), "hello\n");
    make(&["-t", "dsa"]);
    setting.forge(&["-n", "alice@example.com"]);
    let dss = ["-o", "PubkeyAcceptedAlgorithms=+ssh-dss-cert-v01@openssh.com"];
    assert_eq!(robot.ssh_with(&dss, "room", &["true"], b"").status, 255);
}
