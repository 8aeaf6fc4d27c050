//! The audit trail: who did what, when, from where, with which key, and how it ended.

use std::collections::BTreeSet;

use serde_json::Value;
use spaces_tests::{Person, Platform, eventually};

fn fingerprint(person: &Person) -> String {
    let output = std::process::Command::new("ssh-keygen").args(["-l", "-f"]).arg(person.key()).output();
    let text = String::from_utf8(output.expect("it runs").stdout).expect("text");
    text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
}

/// The trail, oldest first, without its times.
fn trail(platform: &Platform) -> Vec<Value> {
    let json = platform.admin().ssh("spaces", &["admin", "audit", "--json"]).ok();
    let Value::Array(mut rows) = serde_json::from_str(&json).expect("JSON") else {
        panic!("no rows: {json}")
    };
    rows.reverse();
    let mut last = String::new();
    for row in &mut rows {
        let at = row.as_object_mut().and_then(|row| row.remove("at")).expect("a time");
        let at = at.as_str().expect("a time").to_owned();
        // As text, times in UTC of one form sort as they follow each other; whole seconds have no fraction.
        assert!(at[..19] >= last[..last.len().min(19)], "{at} is before {last}");
        last = at;
    }
    rows
}

/// `actor key? action target outcome detail`, a line each; the key is told by whose it is.
fn told(rows: &[Value], keys: &[(&str, String)]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let whose = |key: &str| keys.iter().find(|(_name, known)| known == key).map_or("-", |(name, _)| *name);
    let line = |row: &Value| {
        let on_the_host = row["action"] == "platform.bootstrap";
        assert_eq!(text(&row["from"]), if on_the_host { "-" } else { "127.0.0.1" });
        let cells = ["action", "target", "outcome", "detail"].map(|cell| text(&row[cell]));
        format!("{} by {}: {}", text(&row["actor"]), whose(&text(&row["key"])), cells.join(" | "))
    };
    rows.iter().map(line).collect()
}

#[test]
fn every_change_login_and_refusal_is_in_the_trail() {
    let platform = Platform::start();
    let admin = platform.admin();
    let (alice, mallory) = (platform.stranger("alice@example.com"), platform.stranger("mallory@example.com"));
    let keys =
        [("admin", fingerprint(admin)), ("alice", fingerprint(&alice)), ("mallory", fingerprint(&mallory))];
    alice.ssh("join", &["request", "alice@example.com"]).ok();
    let key = admin.ssh("spaces", &["admin", "approve", "alice@example.com"]).ok();
    mallory.prompts_tell(&["-o", "NumberOfPasswordPrompts=1"], "mallory@example.com", key.trim());
    alice.ssh_answering(key.trim(), &["login"]).ok();
    alice.ssh("alice", &["true"]).ok();
    alice.ssh("spaces", &["space", "down", "--space", "alice"]).ok();
    alice.ssh("spaces", &["space", "up", "--space", "sp_1"]).ok();
    alice.ssh("spaces", &["space", "up", "--space", "nowhere"]).fails(1);
    alice.ssh("spaces", &["admin", "grant", "alice@example.com"]).fails(1);
    alice.ssh("spaces", &["key", "remove", &keys[1].1]).fails(1);
    alice.ssh("nowhere", &["true"]).fails(1);
    alice.ssh("spaces", &["space", "delete", "--space", "alice"]).ok();
    mallory.ssh("join", &["admin", "grant", "mallory@example.com"]).fails(1);
    // Reading leaves no line.
    for words in [&["list"][..], &["whoami"], &["key", "list"]] {
        alice.ssh("spaces", words).ok();
    }
    admin.ssh("spaces", &["admin", "users"]).ok();
    alice.ssh("spaces", &["auth", "logout"]).ok();
    let expected = [
        "- by -: platform.bootstrap | root@example.com | done | -",
        "root@example.com by admin: session.login | - | done | -",
        "- by -: access.request | alice@example.com | done | -",
        "root@example.com by admin: access.approve | alice@example.com | done | -",
        "- by mallory: session.login | mallory@example.com | refused | auth key not valid for this e-mail",
        "alice@example.com by alice: session.login | - | done | -",
        "alice@example.com by alice: space.enter | sp_1 | done | -",
        "alice@example.com by alice: space.down | alice | done | -",
        "alice@example.com by alice: space.up | sp_1 | done | -",
        "alice@example.com by alice: space.up | nowhere | refused | no space named `nowhere`",
        "alice@example.com by alice: platform.grant | alice@example.com | refused | that is for platform admins",
        &format!(
            "alice@example.com by alice: key.remove | {} | refused | that is your last key: without it you are \
             locked out",
            keys[1].1
        ),
        "alice@example.com by alice: space.enter | nowhere | refused | no space named `nowhere`",
        "alice@example.com by alice: space.delete | alice | done | -",
        "- by -: platform.grant | mallory@example.com | refused | not authenticated",
        "alice@example.com by alice: session.logout | - | done | -",
    ];
    // Entering is written beside, so that it costs nobody time: its lines may come a little later.
    let rows = eventually(|| trail(&platform), |rows| rows.len() >= expected.len() + 2);
    let lines: BTreeSet<String> = told(&rows, &keys).into_iter().collect();
    let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
    assert_eq!(lines, expected);
}

/// The attack: without a name here, somebody fills the trail until nobody can read it and the disk is full.
#[test]
fn strangers_cannot_fill_the_trail() {
    let platform = Platform::start();
    let stranger = platform.stranger("stranger@example.com");
    let request = r#"{"version":1,"id":1,"command":{"admin":{"grant":{"email":"stranger@example.com"}}}}"#;
    let requests = format!("{request}\n").repeat(500);
    let answers = stranger.ssh_with(&["-s"], "join", &["spaces"], requests.as_bytes()).ok();
    assert_eq!(answers.lines().count(), 500);
    let rows = platform.admin().ssh("spaces", &["admin", "audit", "--json", "--limit", "1000"]).ok();
    let rows = rows.matches("platform.grant").count();
    assert!((1..100).contains(&rows), "{rows} lines of a stranger");
}
