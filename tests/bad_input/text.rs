//! Text that is none, names without end, and characters that steer terminals.

use std::os::unix::ffi::OsStrExt as _;

use russh::keys::PrivateKeyWithHashAlg;
use spaces_tests::{Platform, run};

use crate::client::{client, exec, key_of, leave};

#[tokio::test]
async fn a_command_that_is_no_text_is_refused_in_words() {
    let platform = Platform::start();
    let mut admin = client(&platform).await;
    let key = PrivateKeyWithHashAlg::new(key_of(platform.admin()).into(), None);
    assert!(admin.authenticate_publickey("spaces", key).await.expect("an answer").success());
    let long = vec![b'x'; 100_000];
    let cases: [(&[u8], &str); 5] = [
        (b"list \xff\xfe", "the command is not valid UTF-8"),
        (b"list \0 --json", "the command has a NUL byte in it"),
        (b"list 'open", "the command has a quote that is not closed"),
        (b"list \"open", "the command has a quote that is not closed"),
        (&long, "the command is too long"),
    ];
    for (line, message) in cases {
        assert_eq!(exec(&admin, line).await, (2, String::new(), format!("error: {message}\n")));
    }
    assert_eq!(exec(&admin, b"'who'ami").await, (0, "root@example.com\n".to_owned(), String::new()));
    leave(admin).await;
    // The stock client sends what its shell gave it.
    let mut ssh = platform.admin().ssh_command();
    ssh.arg("spaces@127.0.0.1").arg(std::ffi::OsStr::from_bytes(b"list \xff"));
    assert_eq!(run(&mut ssh, b"").fails(2), "error: the command is not valid UTF-8\n");
}

/// The attack: a name with escape sequences in it, or of 10,000 characters, is to end up on a screen, in the
/// store, or in the name of a container.
#[test]
fn names_with_control_characters_or_without_end_are_refused_and_not_repeated_raw() {
    let platform = Platform::start();
    let admin = platform.admin();
    let long = "a".repeat(10_000);
    for bad in ["\u{1b}[2Jroom", "room\r\nroot", "ro\tom", "\u{202e}moor", "..", "../x", "-rf", long.as_str()]
    {
        let quoted = format!("'{bad}'");
        for words in [
            vec!["admin", "create-space", "--owner", "alice@example.com", "--name", &quoted],
            vec!["admin", "create-space", "--owner", &quoted, "--name", "room"],
            vec!["admin", "issue-key", &quoted, "--role", "admin"],
            vec!["space", "up", "--space", &quoted],
            vec!["key", "add", "--name", &quoted],
            vec!["request", "a@example.com", "--reason", &quoted],
            vec![&quoted],
            vec!["list", &quoted],
        ] {
            // Blanks and dots are fine in free text.
            let free = words.contains(&"--reason") || words.contains(&"--name") && words[0] == "key";
            let output = admin.ssh("spaces", &words);
            assert!(output.status == 2 || free, "{words:?}: {output:?}");
            assert!(output.stderr.len() < 500, "{} bytes came back", output.stderr.len());
            assert_printable(&output.stderr);
            assert_printable(&output.stdout);
        }
    }
    let told = admin.ssh("spaces", &["space", "up", "--space", "'\u{1b}[2J'"]).fails(2);
    assert!(told.starts_with("error: --space <SPACE>: a space is named by"), "{told}");
    assert_eq!(
        admin.ssh("spaces", &["'\u{1b}[2J'"]).fails(2).lines().next(),
        Some("error: no command named `\\u{1b}[2J`")
    );
    assert_eq!(admin.ssh("spaces", &["list"]).ok().lines().count(), 1);
    assert_eq!(admin.ssh("spaces", &["admin", "users"]).ok().lines().count(), 2);
    // As a login name.
    for login in ["\u{1b}[2J", &long] {
        admin.ssh(login, &["true"]).fails(255);
    }
    assert_printable(&platform.log().join("\n"));
}

/// The attack: a stranger puts escape sequences, or characters that turn text around, into what a platform admin
/// will read: the reason of a request, the comment of a key, the name of a key.
#[test]
fn what_one_person_typed_never_reaches_anothers_terminal_raw() {
    let platform = Platform::start();
    let stranger = platform.stranger("mallory@example.com");
    let request = |email: &str, reason: &str| {
        let line = format!("request {email} --reason '{reason}'");
        stranger.ssh("join", &[&line]).status
    };
    assert_eq!(request("one@example.com", "\u{1b}]0;owned\u{7}"), 2);
    assert_eq!(request("two@example.com", "line\nbreak"), 2);
    assert_eq!(request("three@example.com", "\u{9b}2J"), 2);
    // No control characters, and yet they hide and turn what follows.
    assert_eq!(request("four@example.com", "please \u{202e}drow\u{200b}"), 0);
    let json =
        r#"{"version":1,"id":1,"command":{"request":{"email":"five@example.com","reason":"\u001b[31m"}}}"#;
    let answer = stranger.ssh_with(&["-s"], "join", &["spaces"], format!("{json}\n").as_bytes()).ok();
    assert!(answer.contains(r#""status":2"#), "{answer}");
    let mallory = platform.person("mallory@example.com");
    let key = std::fs::read_to_string(stranger.home.join("id.pub")).expect("a key");
    let bare = key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let evil = format!("{bare} \u{1b}[31mred\u{7}\u{202e}");
    mallory.ssh_with(&[], "spaces", &["key", "add"], evil.as_bytes()).ok();
    mallory.ssh("spaces", &["'\u{1b}[31m' \u{202e}"]).fails(2);
    mallory.ssh("spaces", &["key", "remove", "'\u{1b}[31m'"]).fails(2);
    let admin = platform.admin();
    for words in [["admin", "requests"], ["admin", "users"], ["admin", "audit"], ["admin", "auth-keys"]] {
        assert_printable(&admin.ssh("spaces", &words).ok());
    }
    assert_printable(&mallory.ssh("spaces", &["key", "list"]).ok());
    assert_printable(&platform.log().join("\n"));
    let requests = admin.ssh("spaces", &["admin", "requests"]).ok();
    assert_eq!(requests.lines().count(), 2, "{requests}");
    assert!(requests.contains("please \\u{202e}drow\\u{200b}"), "{requests}");
}

#[track_caller]
fn assert_printable(text: &str) {
    let steers = |c: char| {
        c.is_control() && c != '\n' || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    let raw = text.replace("\r\n", "\n");
    assert!(!raw.contains(steers), "{raw:?}");
}
