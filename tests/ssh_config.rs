//! The set-up of the stock `ssh` in one step, and the spellings of another client.

use std::process::Command;

use spaces_tests::{Output, Person, Platform, run, timeout_command};

fn logged_in(platform: &Platform) -> Person {
    let alice = platform.stranger("alice@example.com");
    alice.log_in(&platform.auth_key(&alice.email));
    alice
}

/// A program of the person's, in a home where only `ssh-config` has set anything up.
fn at_home(person: &Person, command: &mut Command, input: &[u8]) -> Output {
    run(command.env("HOME", &person.home).env_remove("SSH_AUTH_SOCK"), input)
}

/// OpenSSH takes the home from the user database, so it is told of the configuration.
fn ssh(person: &Person, program: &str, words: &[&str]) -> Output {
    let mut command = timeout_command(program, 60);
    command.arg("-F").arg(person.home.join(".ssh/config")).args(words);
    at_home(person, &mut command, b"")
}

fn install(person: &Person) {
    let mut command = person.spaces_command();
    let done = at_home(person, command.args(["ssh-config", "--install"]), b"");
    assert_eq!((done.status, done.stdout.as_str()), (0, ""), "{}", done.stderr);
    // OpenSSH looks for included files in the real home: here they are named in full.
    let (config, ours) = (person.home.join(".ssh/config"), person.home.join(".ssh/spaces.config"));
    let text = std::fs::read_to_string(&config).expect("a configuration");
    assert_eq!(text, "Include spaces.config\n\n");
    // And connections are not shared, which would keep one open beyond the test.
    let text = format!("ControlMaster no\nInclude {}\n", ours.display());
    std::fs::write(&config, text).expect("a file");
}

#[test]
fn every_space_is_a_host_and_the_gateway_is_one_too() {
    let platform = Platform::start();
    let alice = logged_in(&platform);
    let room = platform.create_space(&alice.email, "room");
    install(&alice);
    assert_eq!(ssh(&alice, "ssh", &["room.spaces", "hostname"]).ok(), "room\n");
    assert_eq!(ssh(&alice, "ssh", &[&format!("{room}.spaces"), "hostname"]).ok(), "room\n");
    assert_eq!(ssh(&alice, "ssh", &["spaces", "whoami"]).ok(), "alice@example.com\n");
    assert_eq!(ssh(&alice, "ssh", &["room@spaces", "hostname"]).ok(), "room\n");
    let file = alice.private_file("file", "carried");
    ssh(&alice, "scp", &[&file.display().to_string(), "room.spaces:carried"]).ok();
    assert_eq!(ssh(&alice, "ssh", &["room.spaces", "cat carried"]).ok(), "carried");

    // One that was made later is known once somebody has looked.
    platform.create_space(&alice.email, "annex");
    assert_ne!(ssh(&alice, "ssh", &["annex.spaces", "hostname"]).status, 0);
    at_home(&alice, alice.spaces_command().arg("list"), b"").ok();
    assert_eq!(ssh(&alice, "ssh", &["annex.spaces", "hostname"]).ok(), "annex\n");
}

#[test]
fn a_gateway_with_another_host_key_is_not_believed() {
    let platform = Platform::start();
    let alice = logged_in(&platform);
    platform.create_space(&alice.email, "room");
    install(&alice);
    let other = Platform::start();
    let config = alice.home.join(".ssh/spaces.config");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    let port = |platform: &Platform| format!("Port {}\n", platform.port());
    std::fs::write(&config, text.replace(&port(&platform), &port(&other))).expect("a file");
    let refused = ssh(&alice, "ssh", &["room.spaces", "hostname"]);
    assert!(refused.stderr.contains("Host key verification failed"), "{}", refused.stderr);
}

#[test]
fn the_other_clients_words_do_the_same() {
    let platform = Platform::start();
    let alice = logged_in(&platform);
    let room = platform.create_space(&alice.email, "room");
    let second = platform.stranger("alice@example.com");
    let public = second.key().with_extension("pub").display().to_string();
    let added = alice.spaces(&["ssh", "add-key", "--name", "second", "--public-key-file", &public]).ok();
    let fingerprint = added.trim().trim_start_matches("added key ").to_owned();
    let listed = alice.spaces(&["ssh", "list-keys"]).ok();
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..3], ["id", "name", "fingerprint"]);
    let row = rows.iter().find(|row| row[1] == "second").expect("the new key is listed");
    assert_eq!(row[2], fingerprint);
    assert_eq!(row[0], format!("key_{}", &fingerprint["SHA256:".len()..][..8]));

    let identity = second.key().display().to_string();
    let words = ["ssh", "client-config", "--space", "room", "--identity-file", &identity];
    let config = alice.private_file("config", &alice.spaces(&words).ok()).display().to_string();
    let options = ["-F", &config, "-o", "ControlMaster=no", "room.spaces", "hostname"];
    assert_eq!(run(timeout_command("ssh", 60).args(options), b"").ok(), "room\n");
    assert!(
        alice.spaces(&[&words[..], &["--host", "elsewhere"]].concat()).ok().contains("HostName elsewhere\n")
    );
    for (space, identity, host) in [
        ("room", "a b", "host"),
        ("room", "a\nProxyCommand touch x", "host"),
        ("room", &identity, "host\nHost *"),
        ("room", &identity, "a b"),
    ] {
        let words = ["ssh", "client-config", "--space", space, "--identity-file", identity, "--host", host];
        let refused = alice.spaces(&words).fails(2);
        assert!(refused.contains("cannot stand in a configuration of ssh"), "{refused}");
    }

    let script = b"hostname; exit 4\n";
    let connected = alice.spaces_with(&["ssh", "connect", "--space", &room], script);
    assert_eq!((connected.status, connected.stdout.as_str()), (4, "room\n"));
    let certificate = alice.spaces(&["ssh", "issue-cert", "--identity-file", &identity, "--ttl", "5m"]).ok();
    assert_eq!(certificate, format!("{identity}-cert.pub\n"));
    alice.spaces(&["ssh", "remove-key", "--fingerprint", &fingerprint]).ok();
    assert!(!alice.spaces(&["ssh", "list-keys"]).ok().contains("second"));
}
