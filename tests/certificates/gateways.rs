//! The host certificate: one line in `known_hosts` for every gateway of a fleet.

use std::path::PathBuf;

use spaces_tests::{Output, Person, Platform, run, timeout_command};

const NAMES: (&str, &str) = ("CERTIFICATES__HOST_NAMES", "[\"127.0.0.1\", \"gate.example.com\"]");

/// `whoami` by an `ssh` that believes what this text says, and nothing else.
#[track_caller]
fn whoami(person: &Person, known_hosts: &str, options: &[&str]) -> Output {
    let file = known_hosts_file(person);
    std::fs::write(&file, known_hosts).expect("a file");
    // ssh takes the first of two: before the person's usual ones.
    let mut command = timeout_command("ssh", 60);
    command
        .args(["-o", &format!("UserKnownHostsFile={}", file.display()), "-o", "BatchMode=yes"])
        .args(options);
    let usual = person.ssh_without_deadline();
    command.args(usual.get_args()).env_remove("SSH_AUTH_SOCK").args(["spaces@127.0.0.1", "whoami"]);
    run(&mut command, b"")
}

fn known_hosts_file(person: &Person) -> PathBuf {
    person.home.join("known_hosts")
}

#[track_caller]
fn authority(platform: &Platform) -> String {
    platform.admin().ssh("spaces", &["ca"]).ok().lines().next().expect("a line").to_owned() + "\n"
}

#[test]
fn who_believes_the_authority_believes_the_gateway_and_who_pins_its_key_still_does() {
    let platform = Platform::start_with(&[NAMES]);
    let admin = platform.admin();
    let line = authority(&platform);
    let expected =
        "@cert-authority 127.0.0.1,[127.0.0.1]:*,gate.example.com,[gate.example.com]:* ssh-ed25519 ";
    assert!(line.starts_with(expected), "{line}");
    assert_eq!(whoami(admin, &line, &[]).ok(), "root@example.com\n");
    // New keys on the way: the certificate is shown again.
    assert_eq!(whoami(admin, &line, &["-o", "RekeyLimit=1K"]).ok(), "root@example.com\n");
    let alias = whoami(admin, &line, &["-o", "HostKeyAlias=gate.example.com"]);
    assert_eq!(alias.ok(), "root@example.com\n");
    let pinned = std::fs::read_to_string(platform.known_hosts()).expect("known_hosts");
    assert_eq!(whoami(admin, &pinned, &[]).ok(), "root@example.com\n");
    // Whoever knows nothing yet remembers the plain key, as ever.
    whoami(admin, "", &["-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no"]).ok();
    let remembered = std::fs::read_to_string(known_hosts_file(admin)).expect("known_hosts");
    let key = |line: &str| line.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(key(&remembered), key(&pinned));
}

/// The attack: another platform, vouched for by an authority of its own, or by ours under another name.
#[test]
fn a_gateway_of_another_authority_or_name_is_not_believed() {
    let platform = Platform::start_with(&[NAMES]);
    let other = Platform::start_with(&[("CERTIFICATES__HOST_NAMES", "[\"gate.example.com\"]")]);
    let theirs = authority(&platform);
    let refused = whoami(other.admin(), &theirs, &[]);
    assert!(refused.clone().fails(255).contains("Host key verification failed"), "{}", refused.stderr);
    // Believed for any name, and the certificate is not for this one.
    let key =
        authority(&other).split_once(' ').map(|(_, rest)| rest.split_once(' ').expect("a key").1.to_owned());
    let anywhere = format!("@cert-authority * {}", key.expect("a key"));
    let refused = whoami(other.admin(), &anywhere, &[]);
    assert_eq!(refused.status, 255, "{}", refused.stderr);
    let named = whoami(other.admin(), &anywhere, &["-o", "HostKeyAlias=gate.example.com"]);
    assert_eq!(named.ok(), "root@example.com\n");
}

#[test]
fn gateways_that_share_the_host_authority_are_all_believed() {
    let first = Platform::start_with(&[NAMES]);
    let mut second = Platform::prepare(&[NAMES]);
    std::fs::copy(first.state().join("host_ca_key"), second.state().join("host_ca_key")).expect("a copy");
    second.serve();
    second.log_admin_in();
    assert_eq!(authority(&second), authority(&first));
    assert_eq!(whoami(second.admin(), &authority(&first), &[]).ok(), "root@example.com\n");
    // What people's certificates are signed with is each platform's own.
    let user =
        |platform: &Platform| platform.admin().ssh("spaces", &["ca"]).ok().lines().nth(1).map(str::to_owned);
    assert_ne!(user(&first), user(&second));
}

#[test]
fn the_keys_stay_and_the_host_certificate_is_made_anew_when_it_has_to_be() {
    let mut platform = Platform::start_with(&[NAMES]);
    let certificate = platform.state().join("ssh_host_ed25519_key-cert.pub");
    let read = || std::fs::read_to_string(&certificate).expect("a certificate");
    let (first, line) = (read(), authority(&platform));
    assert!(platform.stop());
    platform.serve();
    assert_eq!((read(), authority(&platform)), (first.clone(), line));
    assert!(platform.stop());
    platform.set("CERTIFICATES__HOST_NAMES", "[\"127.0.0.1\"]");
    platform.serve();
    assert_ne!(read(), first);
    let line = authority(&platform);
    assert_eq!(whoami(platform.admin(), &line, &[]).ok(), "root@example.com\n");
    for key in ["user_ca_key", "host_ca_key"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = platform.state().join(key).metadata().expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let stranger = platform.stranger("stranger@example.com");
    let asked = stranger.ssh("join", &["ca"]).fails(1);
    assert!(asked.starts_with("error: not authenticated\n"), "{asked}");
}
