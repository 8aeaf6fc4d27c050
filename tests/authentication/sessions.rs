//! Sessions of the `spaces` program, and the device keys behind them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use spaces_tests::{Person, Platform};

const NOT_AUTHENTICATED: &str = "error: not authenticated\n\
                                 hint: `spaces login EMAIL` logs in with the auth key that you received\n";

/// Somebody who logged in with `spaces`, and has a key made by it.
fn logged_in(platform: &Platform, email: &str) -> Person {
    let person = platform.stranger(email);
    let file = person.private_file("key", &platform.auth_key(email));
    let login = person.spaces(&["login", email, "--key-file", &file.display().to_string()]);
    let session = person.session_file().display().to_string();
    let saved = format!("session for ssh://127.0.0.1:{} saved to {session}\n", platform.port());
    assert_eq!(login.stdout, format!("authenticated as {email}\n{saved}"), "{}", login.stderr);
    person
}

/// The private keys that `spaces` made in this home.
fn made_keys(person: &Person) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&person.home).expect("a home");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "id_ed25519")).collect()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
}

#[test]
fn without_a_session_one_is_told_how_to_log_in() {
    let platform = Platform::start();
    let nobody = platform.stranger("nobody@example.com");
    for words in [&["whoami"][..], &["list"], &["connect"], &["auth", "logout"], &["admin", "users"]] {
        let output = nobody.spaces(words);
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str(), output.status),
            ("", NOT_AUTHENTICATED, 1)
        );
    }
}

/// The friendly part, and the attack: a copy of the key that was made before the logout is tried after it.
#[test]
fn logout_unregisters_the_key_and_removes_the_session() {
    let platform = Platform::start();
    let alice = logged_in(&platform, "alice@example.com");
    assert_eq!(alice.spaces(&["whoami"]).ok(), "alice@example.com\n");
    let keys = made_keys(&alice);
    let [key] = keys.as_slice() else { panic!("not one key: {keys:?}") };
    for private in [key, &alice.session_file()] {
        assert_eq!(private.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    }
    std::fs::copy(key, alice.key()).expect("a copy");
    std::fs::remove_file(alice.home.join("id.pub")).expect("it is there");
    std::fs::copy(alice.session_file(), alice.home.join("kept.json")).expect("a copy");
    assert_eq!(alice.ssh("spaces", &["whoami"]).ok(), "alice@example.com\n");
    assert_eq!(alice.spaces(&["auth", "logout"]).ok(), "logged out\n");
    assert!(!alice.session_file().exists() && made_keys(&alice).is_empty());
    assert_eq!(alice.spaces(&["whoami"]).fails(1), NOT_AUTHENTICATED);
    alice.ssh("spaces", &["whoami"]).fails(255);
    std::fs::rename(alice.home.join("kept.json"), alice.session_file()).expect("it is there");
    std::fs::copy(alice.key(), key).expect("a copy");
    assert_eq!(alice.spaces(&["whoami"]).fails(1), NOT_AUTHENTICATED);
    let users = platform.admin().ssh("spaces", &["admin", "users"]).ok();
    let row = users.lines().find(|row| row.starts_with("alice@")).expect("alice");
    assert_eq!(row.split_whitespace().nth(3), Some("0"), "keys of: {row}");
}

/// The attack: another user of the same computer reads the key, or writes a session that leads elsewhere.
#[test]
fn files_that_others_can_read_are_refused_and_damaged_ones_are_told() {
    let platform = Platform::start();
    let alice = logged_in(&platform, "alice@example.com");
    let session = alice.session_file();
    for mode in [0o640, 0o604, 0o622] {
        set_mode(&session, mode);
        let refused = alice.spaces(&["whoami"]).fails(1);
        let (show, why) = (session.display(), "if you trust what it holds");
        let expected =
            format!("error: others can read the session file {show}\nhint: `chmod 600 {show}`, {why}\n");
        assert_eq!(refused, expected);
    }
    set_mode(&session, 0o600);
    let key = &made_keys(&alice)[0];
    set_mode(key, 0o644);
    let (show, why) = (key.display(), "or if anybody may have read it, make another");
    let expected = format!("error: others can read the key {show}\nhint: `chmod 600 {show}`, {why}\n");
    assert_eq!(alice.spaces(&["whoami"]).fails(1), expected);
    set_mode(key, 0o600);
    assert_eq!(alice.spaces(&["whoami"]).ok(), "alice@example.com\n");
    let whole = std::fs::read(&session).expect("a session");
    for length in [0, 1, whole.len() / 2, whole.len() - 3] {
        std::fs::write(&session, &whole[..length]).expect("it can be written");
        let damaged = alice.spaces(&["whoami"]).fails(1);
        let start = format!("error: the session file {} is damaged: ", session.display());
        assert!(damaged.starts_with(&start), "{damaged}");
        assert!(damaged.ends_with("\nhint: `spaces login EMAIL` writes a new one\n"), "{damaged}");
    }
    // As the hint says. The auth key's file is looked at in the same way.
    let file = alice.private_file("key", &platform.auth_key("alice@example.com"));
    let login = ["login", "alice@example.com", "--key-file", file.to_str().expect("text")];
    set_mode(&file, 0o644);
    let (show, why) = (file.display(), "and if anybody may have read it, ask for another key");
    let expected = format!("error: others can read the key file {show}\nhint: `chmod 600 {show}`, {why}\n");
    assert_eq!(alice.spaces(&login).fails(1), expected);
    set_mode(&file, 0o600);
    alice.spaces(&login).ok();
    assert_eq!(alice.spaces(&["whoami"]).ok(), "alice@example.com\n");
}

#[test]
fn the_last_key_cannot_be_removed_by_mistake() {
    let platform = Platform::start();
    let alice = platform.person("alice@example.com");
    let second = platform.stranger("alice@example.com");
    let fingerprint = |person: &Person| {
        let output =
            Command::new("ssh-keygen").args(["-l", "-f"]).arg(person.key()).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    };
    let [mine, other] = [&alice, &second].map(fingerprint);
    let locked_out = "error: that is your last key: without it you are locked out\n\
                      hint: `--last` removes it all the same\n";
    assert_eq!(alice.ssh("spaces", &["key", "remove", &mine]).fails(1), locked_out);
    assert_eq!(alice.ssh("spaces", &["whoami"]).ok(), "alice@example.com\n");
    let public = std::fs::read(second.home.join("id.pub")).expect("a key");
    let added = alice.ssh_with(&[], "spaces", &["key", "add"], &public);
    assert_eq!(added.ok(), format!("added key {other}\n"));
    assert_eq!(second.ssh("spaces", &["key", "remove", &mine]).ok(), format!("removed key {mine}\n"));
    alice.ssh("spaces", &["whoami"]).fails(255);
    assert_eq!(second.ssh("spaces", &["key", "remove", &other]).fails(1), locked_out);
    let removed = second.ssh("spaces", &["key", "remove", "--last", &other]);
    assert_eq!(removed.ok(), format!("removed key {other}\n"));
    second.ssh("spaces", &["whoami"]).fails(255);
}

/// The attack: somebody takes the gateway's address over, and waits for people to come.
#[test]
fn a_gateway_whose_host_key_changed_gets_nothing() {
    let mut platform = Platform::start();
    let alice = logged_in(&platform, "alice@example.com");
    platform.create_space("alice@example.com", "room");
    assert_eq!(alice.spaces(&["connect", "room", "--", "echo hello"]).ok(), "hello\n");
    assert!(platform.stop());
    for file in ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"] {
        let (file, kept) = (platform.state().join(file), platform.folder().join(file));
        std::fs::rename(file, kept).expect("it is there");
    }
    platform.serve();
    let strange = format!(
        "error: the gateway at ssh://127.0.0.1:{} is not the one that you logged in at\nhint: its host key differs: \
         somebody may be listening; ask a platform admin before you log in anew\n",
        platform.port()
    );
    for words in [&["list"][..], &["whoami"], &["auth", "logout"], &["connect", "room", "--", "true"]] {
        assert_eq!(alice.spaces(words).fails(1), strange, "{words:?}");
    }
    assert!(!platform.log().iter().any(|line| line.contains("a key is offered")), "authentication began");
    assert!(alice.session_file().exists(), "the session must outlive such a gateway");
    // The friendly twin: the real one is back.
    assert!(platform.stop());
    for file in ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"] {
        std::fs::rename(platform.folder().join(file), platform.state().join(file)).expect("it is there");
    }
    platform.serve();
    assert_eq!(alice.spaces(&["whoami"]).ok(), "alice@example.com\n");
    platform.wait_for_log("a key is offered");
}

/// What stands on standard output may be shown once only: a script must not take it for delivered.
#[test]
fn an_answer_that_could_not_be_written_is_no_success() {
    let platform = Platform::start();
    let person = logged_in(&platform, "alice@example.com");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let output = person.spaces_command().arg("whoami").stdout(full).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("error: it was done, but the answer could not be written: "), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

/// What OpenSSH makes with `ssh-keygen -t`, and what people have had for years.
#[test]
fn keys_of_every_kind_log_in_with_stock_ssh() {
    let platform = Platform::start();
    for (kind, bits) in
        [("rsa", "2048"), ("rsa", "4096"), ("ecdsa", "256"), ("ecdsa", "521"), ("ed25519", "256")]
    {
        let email = format!("{kind}-{bits}@example.com");
        let person = platform.stranger(&email);
        for file in [person.key(), person.key().with_extension("pub")] {
            std::fs::remove_file(file).expect("it was there");
        }
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", kind, "-b", bits, "-N", "", "-f"]).arg(person.key());
        assert!(make.status().expect("it runs").success());
        person.ssh_answering(&platform.auth_key(&email), &["login"]).ok();
        assert_eq!(person.ssh("spaces", &["whoami"]).ok(), format!("{email}\n"));
    }
}

/// A key that is registered needs no second registration: `login` with it writes the session file, and keeps the
/// auth key for another machine.
#[test]
fn a_lost_session_file_is_made_again_with_the_same_key() {
    let platform = Platform::start();
    let alice = platform.person("alice@example.com");
    let file = alice.private_file("key", &platform.auth_key("alice@example.com"));
    let (file, key) = (file.display().to_string(), alice.key().display().to_string());
    let login = |email: &str| alice.spaces(&["login", email, "--key-file", &file, "--identity", &key]);
    let refused = login("bob@example.com").fails(1);
    assert_eq!(
        refused,
        "error: that SSH key is registered here as alice@example.com\nhint: log in as that, or with another key\n"
    );
    let told = login("alice@example.com");
    assert_eq!(told.stderr, "that SSH key was registered already; the auth key was not used\n");
    assert!(told.ok().starts_with("authenticated as alice@example.com\nsession for "));
    assert_eq!(alice.spaces(&["whoami"]).ok(), "alice@example.com\n");
    // Another machine of hers.
    let laptop = platform.stranger("alice@example.com");
    laptop.spaces(&["login", "alice@example.com", "--key-file", &file]).ok();
}
