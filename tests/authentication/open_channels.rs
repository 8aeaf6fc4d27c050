//! Channels that outlive what opened them.

use std::io::{BufRead as _, BufReader, Write as _};

use spaces_tests::{Background, Multiplex, Platform, eventually};

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

/// The attack: the lost laptop's connection listens in the Space, to have programs there talk to it, or hang.
#[test]
fn a_key_that_was_removed_keeps_no_port_in_its_space() {
    let platform = Platform::start();
    let (lost, _) = platform.owner("alice@example.com", "room");
    let other = platform.stranger("alice@example.com");
    let public = std::fs::read_to_string(other.key().with_extension("pub")).expect("a public key");
    lost.ssh_with(&[], "spaces", &["key", "add", "--name", "other"], public.as_bytes()).ok();
    let here = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let forward = format!("9500:127.0.0.1:{}", here.local_addr().expect("an address").port());
    let multiplex = Multiplex::connect(&lost, &["-o", "ExitOnForwardFailure=yes", "-R", &forward], "room");
    // Of bash, which says how it went and ends with the other end.
    let script = "timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9500 && cat <&3'; echo $?";
    let knock = || other.ssh("room", &[script]).stdout;
    let friend = std::thread::spawn(move || here.accept().map(drop));
    assert_eq!(knock(), "0\n", "while the key is known it leads to its owner");
    friend.join().expect("no panic").expect("a connection");
    other.ssh("spaces", &["key", "remove", &fingerprint(&lost)]).ok();
    assert_eq!(knock(), "0\n", "whoever connects is let go at once");
    assert_eq!(eventually(knock, |status| status == "1\n"), "1\n", "and then nobody listens");
    drop(multiplex);
}

fn fingerprint(person: &spaces_tests::Person) -> String {
    let output = std::process::Command::new("ssh-keygen").arg("-lf").arg(person.key()).output();
    let text = String::from_utf8(output.expect("ssh-keygen runs").stdout).expect("text");
    text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
}
