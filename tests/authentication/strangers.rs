//! `join@`: whoever comes may ask for access, and do nothing else.

use spaces_tests::Platform;

const RECORDED: &str = "recorded: a platform admin will look at your request\n";

/// The attack: `join` lets anybody in without a key. From there, commands, another login's words and the
/// subsystem are tried.
#[test]
fn join_takes_a_request_and_nothing_else() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let stranger = platform.stranger("stranger@example.com");
    let only = "error: not authenticated\nhint: `join@` takes requests for access and nothing else\n";
    let key = std::fs::read_to_string(stranger.home.join("id.pub")).expect("a key");
    for words in [
        "list",
        "whoami",
        "auth logout",
        "key list",
        "key add",
        "admin users",
        "admin approve stranger@example.com",
        "admin grant stranger@example.com",
        "space down --space room",
        "connect room",
        "connect room -- id",
    ] {
        assert_eq!(stranger.ssh_with(&[], "join", &[words], key.as_bytes()).fails(1), only, "{words}");
    }
    let login = stranger.ssh("join", &["login"]).fails(1);
    assert_eq!(login, "error: not authenticated\nhint: log in as `spaces@`\n");
    let requests = format!(
        "{}\n{}\n{}\n",
        r#"{"version":1,"id":1,"command":"list"}"#,
        r#"{"version":1,"id":2,"command":{"login":{}}}"#,
        r#"{"version":1,"id":3,"command":{"connect":{"space":"sp_1"}}}"#,
    );
    let answers = stranger.ssh_with(&["-s"], "join", &["spaces"], requests.as_bytes()).ok();
    assert_eq!(answers.matches(r#""status":1,"error":{"code":"not_authenticated""#).count(), 3, "{answers}");
    for subsystem in ["sftp", "list"] {
        assert_eq!(stranger.ssh_with(&["-s"], "join", &[subsystem], b"").status, 255);
    }
    // With a registered key it is no more than that either.
    assert_eq!(alice.ssh("join", &["whoami"]).fails(1), only);
    // The friendly twin: by command, by answers to the questions, by `spaces`.
    let request = stranger.ssh("join", &["request", "one@example.com", "--reason", "'to work here'"]);
    assert_eq!((request.stdout.as_str(), request.status), (RECORDED, 0));
    let asked = stranger.ssh_with(&[], "join", &[], b"two@example.com\nto build things\n");
    assert_eq!(asked.ok(), RECORDED);
    let request = stranger.spaces(&["request", "three@example.com", "--reason", "to run agents"]);
    assert_eq!(request.ok(), RECORDED);
    let rows = platform.admin().ssh("spaces", &["admin", "requests"]).ok();
    let told = |row: &str| {
        let mut cells = row.split_whitespace();
        let (email, _at, from) = (cells.next(), cells.next(), cells.next());
        assert!(email.is_none_or(|_| from == Some("127.0.0.1")), "{row}");
        format!("{}: {}", email.unwrap_or_default(), cells.collect::<Vec<_>>().join(" "))
    };
    let rows: Vec<String> = rows.lines().skip(1).map(told).collect();
    let expected = [
        "one@example.com: to work here",
        "two@example.com: to build things",
        "three@example.com: to run agents",
    ];
    assert_eq!(rows, expected);
    assert_eq!(alice.ssh("spaces", &["list"]).ok().matches(&id).count(), 1);
}

/// The attack: whose e-mail is known here? The answers tell, if they differ.
#[test]
fn a_request_gets_the_same_answer_whether_or_not_the_email_is_known() {
    let platform = Platform::start();
    platform.owner("known@example.com", "room");
    let stranger = platform.stranger("stranger@example.com");
    let both = ["known@example.com", "unknown@example.com"];
    for _twice in 0..2 {
        let [known, unknown] = both.map(|email| stranger.ssh("join", &["request", email]));
        assert_eq!(known, unknown);
        assert_eq!((known.stdout.as_str(), known.stderr.as_str(), known.status), (RECORDED, "", 0));
        let [known, unknown] = both.map(|email| stranger.spaces(&["request", email]));
        assert_eq!(known, unknown);
    }
}

#[test]
fn requests_are_limited_and_can_be_switched_off() {
    let mut platform = Platform::start_with(&[("LIMITS__REQUESTS_PER_ADDRESS", "2")]);
    let stranger = platform.stranger("stranger@example.com");
    let request = |number: u32| stranger.ssh("join", &["request", &format!("number-{number}@example.com")]);
    assert_eq!([request(1).ok(), request(2).ok()], [RECORDED, RECORDED]);
    let enough = "error: too many requests from your address\nhint: try again in an hour\n";
    assert_eq!(request(3).fails(75), enough);
    assert_eq!(stranger.spaces(&["request", "four@example.com"]).fails(75), enough);
    let elsewhere = stranger.ssh_with(&["-b", "127.0.0.2"], "join", &["request", "five@example.com"], b"");
    assert_eq!(elsewhere.ok(), RECORDED);
    assert_eq!(platform.admin().ssh("spaces", &["admin", "requests"]).ok().lines().count(), 1 + 3);
    assert!(platform.stop());
    platform.set("ACCESS__REQUESTS", "false");
    platform.serve();
    stranger.ssh("join", &["request", "six@example.com"]).fails(255);
    let closed = "error: this platform takes no requests for access\n\
                  hint: ask a platform admin for an auth key\n";
    assert_eq!(stranger.spaces(&["request", "six@example.com"]).fails(1), closed);
}
