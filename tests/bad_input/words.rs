//! Words that are no command, and names that mean no Space.

use spaces_tests::{Output, Person, Platform};

/// The same words by `ssh`, by `ssh -s`, and by `spaces`.
#[track_caller]
fn three_ways(person: &Person, words: &[&str]) -> [(i32, String, String); 3] {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let line = quoted.join(" ");
    let told = |output: Output| (output.status, output.stdout, output.stderr);
    [
        told(person.ssh("spaces", &[&line])),
        told(person.ssh_with(&["-s"], "spaces", &[&line], b"")),
        told(person.spaces(words)),
    ]
}

/// Somebody who can do both: `ssh` and `spaces`.
fn with_session(platform: &Platform, email: &str) -> Person {
    let person = platform.person(email);
    let file = person.private_file("key", &platform.auth_key(email));
    person.spaces(&["login", email, "--key-file", &file.display().to_string()]).ok();
    person
}

#[test]
fn wrong_words_are_told_alike_by_ssh_by_subsystem_and_by_spaces() {
    let platform = Platform::start();
    let alice = with_session(&platform, "alice@example.com");
    let help = "hint: `help` lists the commands, `COMMAND --help` tells about one\n";
    let cases: [(&[&str], &str, &str); 14] = [
        (&["lst"], "no command named `lst`", "hint: did you mean `list`?\n"),
        (&["space", "dwon"], "no command named `dwon`", "hint: did you mean `down`?\n"),
        (&["frobnicate"], "no command named `frobnicate`", help),
        (&["space", "up", "--spce", "x"], "`--spce` is not known here", "hint: did you mean `--space`?\n"),
        (&["list", "--jsno"], "`--jsno` is not known here", "hint: did you mean `--json`?\n"),
        (&["list", "extra"], "`extra` is not known here", help),
        (&["space", "up"], "the following required arguments were not provided: --space <SPACE>", help),
        (
            &["space", "up", "--space", "Bad_Name"],
            "--space <SPACE>: a space is named by its exact name or its `sp_...` id",
            help,
        ),
        (
            &["space", "up", "--space", ""],
            "--space <SPACE>: a space is named by its exact name or its `sp_...` id",
            help,
        ),
        (
            &["key", "remove", "SHA256:short"],
            "<FINGERPRINT>: a fingerprint is `SHA256:` and 43 characters, as `ssh-keygen -l` prints it",
            help,
        ),
        (
            &["admin", "issue-key", "a@b.c", "--role", "boss"],
            "`boss` is not a value of `--role <ROLE>`",
            "hint: one of: admin, member\n",
        ),
        (
            &["admin", "issue-key", "a@b.c", "--role", "admin", "--expires", "soon"],
            "--expires <TIME>: a time is written 30m, 12h or 7d",
            help,
        ),
        (&["admin", "revoke-key", "7"], "<ID>: an auth key id is `ak_` and a number", help),
        (&["request", "nobody"], "<EMAIL>: that is not an e-mail address", help),
    ];
    for (words, message, hint) in cases {
        let expected = (2, String::new(), format!("error: {message}\n{hint}"));
        for told in three_ways(&alice, words) {
            assert_eq!(told, expected, "{words:?}");
        }
    }
    // The friendly twin: the same three ways for a command that is one.
    let [by_ssh, by_subsystem, by_spaces] = three_ways(&alice, &["whoami"]);
    assert_eq!(by_ssh, (0, "alice@example.com\n".to_owned(), String::new()));
    assert_eq!([&by_subsystem, &by_spaces], [&by_ssh; 2]);
}

/// The attack: whether somebody has a Space of that name or id shows in an answer that differs.
#[test]
fn a_foreign_space_and_none_at_all_look_the_same() {
    let platform = Platform::start();
    let mallory = with_session(&platform, "mallory@example.com");
    let everything = |reference: &str| -> Vec<(i32, String, String)> {
        let mut told = Vec::new();
        for word in ["up", "down", "delete"] {
            told.extend(three_ways(&mallory, &["space", word, "--space", reference]));
        }
        told.extend(three_ways(&mallory, &["connect", reference, "--", "true"]));
        let output = mallory.ssh(reference, &["true"]);
        told.push((output.status, output.stdout, output.stderr));
        told
    };
    let before = ["bobs-room", "sp_1"].map(everything);
    let (bob, id) = platform.owner("bob@example.com", "bobs-room");
    assert_eq!(id, "sp_1");
    let after = ["bobs-room", "sp_1"].map(everything);
    assert_eq!(before, after);
    for (reference, told) in ["bobs-room", "sp_1"].into_iter().zip(after) {
        let text =
            format!("error: no space named `{reference}`\nhint: `list` shows the spaces you can use\n");
        for answer in told {
            assert_eq!(answer, (1, String::new(), text.clone()));
        }
    }
    assert!(!mallory.ssh("spaces", &["list"]).ok().contains("bobs-room"));
    assert_eq!(bob.ssh("bobs-room", &["echo untouched"]).ok(), "untouched\n");
}

#[test]
fn an_ambiguous_name_is_told_with_the_ids_and_an_id_always_works() {
    let platform = Platform::start();
    let (alice, hers) = platform.owner("alice@example.com", "room");
    let his = platform.create_space("bob@example.com", "room");
    let key = platform
        .admin()
        .ssh("spaces", &["admin", "issue-key", "alice@example.com", "--role", "member", "--space", &his]);
    let second = platform.stranger("alice@example.com");
    second.ssh_answering(key.ok().trim(), &["login"]).ok();
    let ambiguous = format!(
        "error: `room` is the name of more than one space: `{hers}`, `{his}`\nhint: name it by its id\n"
    );
    for words in [["space", "up", "--space", "room"], ["space", "delete", "--space", "room"]] {
        assert_eq!(alice.ssh("spaces", &words).fails(1), ambiguous);
    }
    assert_eq!(alice.ssh("room", &["true"]).fails(1), ambiguous);
    let several = format!("error: you have several spaces: `{hers}` (room), `{his}` (room)");
    let connect = alice.ssh("spaces", &["connect"]).fails(1);
    assert_eq!(connect, format!("{several}\nhint: name the one: `connect SPACE`\n"));
    assert_eq!(alice.ssh(&hers, &["hostname"]).ok(), "room\n");
    assert_eq!(alice.ssh(&his, &["hostname"]).ok(), "room\n");
    let unknown = platform
        .admin()
        .ssh("spaces", &["admin", "issue-key", "x@example.com", "--role", "member", "--space", "room"]);
    assert_eq!(unknown.fails(1), ambiguous);
}
