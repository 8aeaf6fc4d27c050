//! A certificate falls at once: by `cert revoke`, and with the keys that it stands on. On connections that are open
//! too.

use spaces_tests::{Multiplex, Person, eventually};

use crate::{CERTIFICATE_ALONE, Setting, denied, fingerprint, issue};

const REVOKED: &str = "error: not authenticated\nhint: your certificate was revoked meanwhile\n";

/// One more device of Alice's.
fn device(setting: &Setting) -> Person {
    let device = setting.platform.stranger("alice@example.com");
    add(&setting.alice, &device);
    device
}

#[track_caller]
fn add(alice: &Person, device: &Person) {
    let key = std::fs::read(device.home.join("id.pub")).expect("a key");
    alice.ssh_with(&[], "spaces", &["key", "add"], &key).ok();
}

/// A connection that the certificate opened opens nothing more, and there is no other.
#[track_caller]
fn has_fallen(setting: &Setting, open: &Multiplex<'_>) {
    assert_eq!(open.ssh(&["true"]).fails(1), REVOKED);
    let forward = open.ssh(&["-W", "localhost:22"]);
    assert_eq!((forward.status, forward.stdout.as_str()), (255, ""), "{}", forward.stderr);
    assert_eq!(setting.robot.ssh("room", &["true"]).fails(255), denied("room"));
    eventually(|| setting.refusals(), |refusals| refusals.last().is_some_and(|last| last == "revoked"));
}

#[test]
fn revoke_ends_that_certificate_and_no_other() {
    let setting = Setting::new();
    let (other, bob) =
        (setting.platform.stranger("x@example.com"), setting.platform.person("bob@example.com"));
    issue(&setting.alice, &other, &[]);
    let serial = setting.issue(&["--space", "room"]);
    let open = Multiplex::connect(&setting.robot, &[], "room");
    open.ssh(&["true"]).ok();
    let unknown = format!("error: no certificate {serial}\nhint: `cert list` shows yours that can be used\n");
    assert_eq!(bob.ssh("spaces", &["cert", "revoke", &serial]).fails(1), unknown);
    open.ssh(&["true"]).ok();
    let revoke = || setting.alice.ssh("spaces", &["cert", "revoke", &serial]);
    assert_eq!(revoke().ok(), format!("revoked certificate {serial}\n"));
    has_fallen(&setting, &open);
    assert_eq!(revoke().fails(1), unknown);
    assert_eq!(other.ssh("room", &["echo hello"]).ok(), "hello\n");
    let robot = fingerprint(&setting.robot);
    let issued = setting.trail("cert.issue");
    assert!(issued.contains(&format!("{serial} for {robot} | done | -")), "{issued:#?}");
    let revoked = setting.trail("cert.revoke");
    let refused = format!("{serial} | refused | no certificate {serial}");
    assert_eq!(revoked, [refused.clone(), format!("{serial} | done | -"), refused]);
    let entered = setting.trail("space.enter");
    let by = format!("{} | done | by certificate {serial}", setting.space);
    assert!(entered.contains(&by), "{entered:#?}");
}

#[test]
fn it_falls_with_the_device_key_that_issued_it_and_does_not_rise_with_it() {
    let setting = Setting::new();
    let device = device(&setting);
    issue(&device, &setting.robot, &[]);
    let open = Multiplex::connect(&setting.robot, &[], "room");
    open.ssh(&["true"]).ok();
    setting.alice.ssh("spaces", &["key", "remove", &fingerprint(&device)]).ok();
    has_fallen(&setting, &open);
    add(&setting.alice, &device);
    device.ssh("room", &["true"]).ok();
    assert_eq!(setting.robot.ssh("room", &["true"]).fails(255), denied("room"));
}

#[test]
fn it_falls_with_the_registered_key_that_it_certifies() {
    let setting = Setting::new();
    add(&setting.alice, &setting.robot);
    setting.issue(&[]);
    let open = Multiplex::connect(&setting.robot, &CERTIFICATE_ALONE, "room");
    open.ssh(&["true"]).ok();
    setting.alice.ssh("spaces", &["key", "remove", &fingerprint(&setting.robot)]).ok();
    has_fallen(&setting, &open);
}

#[test]
fn logging_out_ends_what_that_device_issued() {
    let setting = Setting::new();
    let device = device(&setting);
    issue(&device, &setting.robot, &[]);
    setting.robot.ssh("room", &["true"]).ok();
    device.ssh("spaces", &["auth", "logout"]).ok();
    assert_eq!(setting.robot.ssh("room", &["true"]).fails(255), denied("room"));
}

/// The platform's memory of it is on the disk, not in the process.
#[test]
fn a_restarted_gateway_knows_what_stands_and_what_fell() {
    let mut setting = Setting::new();
    let other = setting.platform.stranger("x@example.com");
    issue(&setting.alice, &other, &[]);
    let serial = setting.issue(&[]);
    setting.alice.ssh("spaces", &["cert", "revoke", &serial]).ok();
    setting.platform.kill();
    setting.platform.serve();
    assert_eq!(other.ssh("room", &["echo hello"]).ok(), "hello\n");
    assert_eq!(setting.robot.ssh("room", &["true"]).fails(255), denied("room"));
}
