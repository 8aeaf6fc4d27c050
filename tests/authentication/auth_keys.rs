//! The one-time auth key: told apart from a typo, and otherwise either good or not.

use std::sync::Barrier;

use spaces_tests::{Output, Person, Platform, eventually};

const REFUSED: &str = "error: that auth key is not valid for that e-mail\n\
                       hint: a platform admin can issue another auth key\n";

const PERMISSION: &str = "spaces@127.0.0.1: Permission denied (publickey,keyboard-interactive).\n";

/// Where a test itself makes more attempts than a person would.
const MANY_BY_EMAIL: (&str, &str) = ("LIMITS__LOGIN_ATTEMPTS_PER_EMAIL", "1000");
const MANY_BY_ADDRESS: (&str, &str) = ("LIMITS__LOGIN_ATTEMPTS_PER_ADDRESS", "1000");

/// `spaces login` with the auth key in a file.
#[track_caller]
fn login(person: &Person, email: &str, key: &str) -> Output {
    let file = person.private_file("key-to-log-in-with", key);
    person.spaces(&["login", email, "--key-file", &file.display().to_string()])
}

/// A key of this gateway that its store knows nothing of: made by another with the same host key.
fn unknown_key(platform: &Platform) -> String {
    let twin = Platform::prepare(&[]);
    for file in ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"] {
        std::fs::copy(platform.state().join(file), twin.state().join(file)).expect("a copy");
    }
    bootstrap(&twin, "carol@example.com", "7d")
}

fn bootstrap(platform: &Platform, email: &str, lifetime: &str) -> String {
    let mut command = platform.gateway_command(&["bootstrap", email, "--no-space"]);
    let output = command.env("SPACES_GATEWAY_ACCESS__AUTH_KEY_LIFETIME", lifetime).output();
    String::from_utf8(output.expect("the gateway runs").stdout).expect("a key").trim().to_owned()
}

/// The attack: somebody who found an auth key, or tries some, learns from the answers which keys there were, for
/// whom, and what became of them.
#[test]
fn a_wrong_expired_revoked_used_or_foreign_auth_key_gets_one_answer() {
    let platform = Platform::start_with(&[MANY_BY_EMAIL, MANY_BY_ADDRESS]);
    let carol = platform.stranger("carol@example.com");
    let good = platform.auth_key("carol@example.com");
    let used = platform.auth_key("carol@example.com");
    let first = platform.stranger("carol@example.com");
    assert_eq!(first.ssh_answering(&used, &["login"]).ok(), "authenticated as carol@example.com\n");
    let revoked = platform.auth_key("carol@example.com");
    let keys = platform.admin().ssh("spaces", &["admin", "auth-keys"]).ok();
    let newest = keys.lines().nth(1).and_then(|row| row.split_whitespace().next()).expect("an id");
    platform.admin().ssh("spaces", &["admin", "revoke-key", newest]).ok();
    let expired = bootstrap(&platform, "carol@example.com", "1ms");
    eventually(
        || platform.admin().ssh("spaces", &["admin", "auth-keys"]).ok(),
        |rows| rows.lines().nth(1).is_some_and(|row| row.contains("expired")),
    );
    let foreign = platform.auth_key("dave@example.com");
    let bad = [unknown_key(&platform), expired, revoked, used, foreign];
    let told = bad.each_ref().map(|key| carol.prompts_tell(&[], "carol@example.com", key));
    assert!(told[0].contains("That auth key is not valid for that e-mail.\n"), "{}", told[0]);
    assert!(told[0].ends_with(PERMISSION), "{}", told[0]);
    for other in &told {
        assert_eq!(*other, told[0]);
    }
    for key in &bad {
        assert_eq!(login(&carol, "carol@example.com", key).fails(1), REFUSED);
    }
    assert!(!carol.session_file().exists());
    // Nothing of it counts against the good one.
    let output = login(&carol, "carol@example.com", &good);
    assert!(output.stdout.starts_with("authenticated as carol@example.com\n"), "{output:?}");
}

#[test]
fn a_mistyped_auth_key_is_told_as_such_and_never_counts_as_a_try() {
    let platform = Platform::start_with(&[("LIMITS__LOGIN_ATTEMPTS_PER_EMAIL", "1")]);
    let carol = platform.stranger("carol@example.com");
    let good = platform.auth_key("carol@example.com");
    let swapped: String = good.replacen(&good[10..12], &good[10..12].chars().rev().collect::<String>(), 1);
    let cut = good[..good.len() - 1].to_owned();
    for typed in ["hello", "spaces_", "", &cut, &format!("{good}x"), &swapped] {
        if typed == good {
            continue;
        }
        let told = carol.prompts_tell(&[], "carol@example.com", typed);
        assert!(told.contains("That auth key is mistyped.\n"), "{typed}: {told}");
        let hint = "hint: copy it anew, as a whole; it begins with `spaces_`\n";
        let output = login(&carol, "carol@example.com", typed);
        assert_eq!(output.fails(1), format!("error: that auth key is mistyped\n{hint}"));
    }
    // The friendly twin: blanks and line ends around it are no typo.
    let output = login(&carol, "carol@example.com", &format!("  {good}\r\n\n"));
    assert!(output.stdout.starts_with("authenticated as carol@example.com\n"), "{output:?}");
}

/// The attack: somebody sits between the newcomer and the platform, or gave them the address of a gateway of
/// their own. The first login would hand the auth key over, and it would be theirs to use.
#[test]
fn an_auth_key_for_another_gateway_is_refused_before_it_is_sent() {
    let (real, theirs) = (Platform::start(), Platform::start());
    let key = real.auth_key("carol@example.com");
    let carol = theirs.stranger("carol@example.com");
    let seen = theirs.log().len();
    let hint = "hint: nothing was sent; check the address, and where the key came from\n";
    let address = format!("ssh://127.0.0.1:{}", theirs.port());
    let refused = login(&carol, "carol@example.com", &key).fails(1);
    assert_eq!(refused, format!("error: that auth key is not for the gateway at {address}\n{hint}"));
    theirs.wait_for_log_after(seen, "connection ended");
    let attempt = |line: &String| line.contains("a key is offered");
    let attempts: Vec<_> = theirs.log().into_iter().skip(seen).filter(attempt).collect();
    assert_eq!(attempts, [""; 0], "authentication began");
    // The friendly twin, and proof that an attempt would have shown in the log.
    let output = login(&carol, "carol@example.com", &theirs.auth_key("carol@example.com"));
    assert!(output.stdout.starts_with("authenticated as carol@example.com\n"), "{output:?}");
    assert!(theirs.log().iter().skip(seen).any(attempt));
}

/// The attack: one auth key, shared or stolen, is used by many at the same moment.
#[test]
fn of_twenty_logins_at_once_with_one_auth_key_one_wins() {
    // Some try several times, at their prompts.
    let platform = Platform::start_with(&[MANY_BY_EMAIL, MANY_BY_ADDRESS]);
    let key = platform.auth_key("carol@example.com");
    let people: Vec<Person> = (0..20).map(|_| platform.stranger("carol@example.com")).collect();
    let start = Barrier::new(people.len());
    let log_in = |at: usize, person: &Person| {
        start.wait();
        match at % 2 {
            0 => person.ssh_answering(&key, &["login"]),
            _ => login(person, "carol@example.com", &key),
        }
    };
    let outcomes: Vec<Output> = std::thread::scope(|scope| {
        let spawn = |(at, person)| scope.spawn(move || log_in(at, person));
        let threads: Vec<_> = people.iter().enumerate().map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let (winners, losers): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| outcome.status == 0);
    assert_eq!(winners.len(), 1, "{winners:?}");
    for loser in losers {
        assert_eq!(loser.stdout, "");
        let expected = loser.stderr.contains("that auth key is not valid for that e-mail")
            || loser.stderr.contains("Permission denied");
        assert!(expected, "{loser:?}");
    }
    let users = platform.admin().ssh("spaces", &["admin", "users"]).ok();
    let row = users.lines().find(|row| row.starts_with("carol@example.com ")).expect("carol");
    assert_eq!(row.split_whitespace().nth(3), Some("1"), "keys of: {row}");
}
