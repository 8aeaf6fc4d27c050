//! Rights that a person does not have.

use spaces_tests::{Person, Platform};

/// Somebody whom a key of role `member` let into this Space.
fn member(platform: &Platform, email: &str, space: &str) -> Person {
    let issue = ["admin", "issue-key", email, "--role", "member", "--space", space];
    let key = platform.admin().ssh("spaces", &issue).ok();
    let person = platform.stranger(email);
    person.ssh_answering(key.trim(), &["login"]).ok();
    person
}

/// The attack: a guest in a Space stops it, deletes it, or makes more of the invitation than it is.
#[test]
fn a_member_can_enter_and_list_and_nothing_more() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let bob = member(&platform, "bob@example.com", "room");
    for (word, verb) in [("up", "start"), ("down", "stop"), ("delete", "delete")] {
        for reference in ["room", id.as_str()] {
            let refused = bob.ssh("spaces", &["space", word, "--space", reference]).fails(1);
            let message = format!("you are a member of `{reference}`: only its admin can {verb} it");
            assert_eq!(refused, format!("error: {message}\nhint: ask alice@example.com\n"));
        }
    }
    assert_eq!(bob.ssh("room", &["echo hello > from-bob; id -un"]).ok(), "space\n");
    let list = bob.ssh("spaces", &["list"]).ok();
    let row: Vec<&str> = list.lines().nth(1).expect("a row").split_whitespace().take(4).collect();
    assert_eq!(row, [id.as_str(), "room", "member", "running"]);
    // The friendly twin: its admin can.
    assert_eq!(alice.ssh("room", &["cat from-bob"]).ok(), "hello\n");
    assert_eq!(
        alice.ssh("spaces", &["space", "down", "--space", "room"]).ok(),
        format!("space {id} is stopped\n")
    );
    let asleep = "error: space `room` is stopped\nhint: `space up --space room` starts it\n";
    assert_eq!(bob.ssh("room", &["true"]).fails(1), asleep);
    assert_eq!(
        alice.ssh("spaces", &["space", "delete", "--space", "room"]).ok(),
        format!("deleted space {id}\n")
    );
    assert_eq!(bob.ssh("spaces", &["list"]).ok().lines().count(), 1);
    // A new Space of that name is not his.
    platform.create_space("alice@example.com", "room");
    let gone = "error: no space named `room`\nhint: `list` shows the spaces you can use\n";
    assert_eq!(bob.ssh("room", &["true"]).fails(1), gone);
}

/// The attack: an ordinary person uses the words of platform admins.
#[test]
fn only_platform_admins_run_the_platform() {
    let platform = Platform::start();
    let alice = platform.person("alice@example.com");
    let refused = "error: that is for platform admins\nhint: a platform admin can `admin grant` you this\n";
    for line in [
        "admin requests",
        "admin approve x@example.com",
        "admin deny x@example.com",
        "admin users",
        "admin grant alice@example.com",
        "admin issue-key alice@example.com --role admin",
        "admin auth-keys",
        "admin revoke-key ak_1",
        "admin create-space --owner alice@example.com --name room",
        "admin audit",
    ] {
        assert_eq!(alice.ssh("spaces", &[line]).fails(1), refused, "{line}");
    }
    let json = r#"{"version":1,"id":1,"command":{"admin":{"grant":{"email":"alice@example.com"}}}}"#;
    let answer = alice.ssh_with(&["-s"], "spaces", &["spaces"], format!("{json}\n").as_bytes()).ok();
    assert!(answer.contains("that is for platform admins"), "{answer}");
    // A key of role `admin` is for a person who owns Spaces, and makes no platform admin. A grant does.
    assert_eq!(platform.admin().ssh("spaces", &["admin", "grant", "alice@example.com"]).status, 0);
    assert!(alice.ssh("spaces", &["admin", "users"]).ok().contains("alice@example.com  platform-admin"));
}

/// The attack: the holder of an auth key does things before, or instead of, registering a key.
#[test]
fn a_newcomer_can_log_in_and_nothing_else() {
    let platform = Platform::start();
    platform.create_space("carol@example.com", "room");
    let carol = platform.stranger("carol@example.com");
    let key = platform.auth_key("carol@example.com");
    let first = "error: not authenticated\nhint: run `login` first: it registers your key\n";
    for words in
        [&["list"][..], &["connect", "room"], &["key", "list"], &["space", "down", "--space", "room"]]
    {
        assert_eq!(carol.ssh_answering(&key, words).fails(1), first, "{words:?}");
    }
    assert_eq!(carol.ssh_answering(&key, &["login"]).ok(), "authenticated as carol@example.com\n");
    let twice = "error: you are logged in as carol@example.com\nhint: `auth logout` ends this\n";
    assert_eq!(carol.ssh("spaces", &["login"]).fails(1), twice);
}
