//! Channels that outlive what opened them.

use std::io::{BufRead as _, BufReader, Write as _};

use spaces_tests::{Background, Platform};

/// The attack: a lost laptop has a channel of the console open. Its key is removed, and it registers that key again, or
/// goes on as if nothing had happened.
#[test]
fn a_key_that_was_removed_does_nothing_more_on_a_channel_that_is_open() {
    let platform = Platform::start();
    let lost = platform.person("alice@example.com");
    let other = platform.stranger("alice@example.com");
    let public = std::fs::read_to_string(other.key().with_extension("pub")).expect("a public key");
    lost.ssh_with(&[], "spaces", &["key", "add", "--name", "other"], public.as_bytes()).ok();

    let mut channel = lost.ssh_command();
    let mut channel = Background::start(channel.args(["-s", "spaces@127.0.0.1", "spaces"]));
    let mut answers = BufReader::new(channel.stdout.take().expect("it is piped"));
    let mut stdin = channel.stdin.take().expect("it is piped");
    let mut ask = |command: &str| {
        writeln!(stdin, r#"{{"version":1,"id":1,"command":{command}}}"#).expect("a request");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("an answer");
        answer
    };
    assert!(ask(r#""whoami""#).contains("alice@example.com"));
    let key = std::fs::read_to_string(lost.key().with_extension("pub")).expect("a public key");
    let fingerprint = fingerprint(&lost);
    other.ssh("spaces", &["key", "remove", &fingerprint]).ok();
    for command in [
        r#""whoami""#.to_owned(),
        format!(r#"{{"key":{{"add":{{"public_key":"{}"}}}}}}"#, key.trim()),
        r#"{"connect":{}}"#.to_owned(),
    ] {
        let answer = ask(&command);
        assert!(answer.contains("not authenticated"), "{command}: {answer}");
    }
    assert!(!other.ssh("spaces", &["key", "list"]).ok().contains(&fingerprint));
}

fn fingerprint(person: &spaces_tests::Person) -> String {
    let output = std::process::Command::new("ssh-keygen").arg("-lf").arg(person.key()).output();
    let text = String::from_utf8(output.expect("ssh-keygen runs").stdout).expect("text");
    text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
}
