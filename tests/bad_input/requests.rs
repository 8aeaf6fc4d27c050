//! The `spaces` subsystem, spoken badly.

use spaces_tests::Platform;

/// Answers to these bytes, one a line.
#[track_caller]
fn answers(platform: &Platform, input: &[u8]) -> (i32, Vec<String>) {
    let output = platform.admin().ssh_with(&["-s"], "spaces", &["spaces"], input);
    assert_eq!(output.stderr, "");
    (output.status, output.stdout.lines().map(str::to_owned).collect())
}

#[test]
fn a_bad_request_is_answered_and_the_next_one_too() {
    let platform = Platform::start();
    let whoami = r#"{"version":1,"id":7,"command":"whoami"}"#;
    let answer = r#"{"id":7,"status":0,"stdout":"root@example.com\n","stderr":"","data":{"email":"root@example.com","platform_admin":true}}"#;
    let version = r#"{"id":7,"status":2,"error":{"code":"usage","message":"protocol version 2 is not spoken here","hint":"this gateway speaks version 1"}}"#;
    let (status, lines) =
        answers(&platform, format!("{}\n{whoami}\n", whoami.replace(":1,", ":2,")).as_bytes());
    assert_eq!((status, lines), (0, vec![version.to_owned(), answer.to_owned()]));
    for bad in [
        &b"hello"[..],
        b"{}",
        b"[]",
        b"null",
        b"{\"version\":1,\"id\":1,\"command\":\"lst\"}",
        b"{\"version\":1,\"id\":1,\"command\":\"list\",\"more\":1}",
        b"{\"version\":1,\"id\":-1,\"command\":\"list\"}",
        b"{\"version\":1,\"id\":1,\"command\":{\"space\":{\"up\":{\"space\":\"../x\"}}}}",
        b"{\"version\":1,\"id\":1,\"command\":{\"admin\":{\"approve\":{\"email\":\"\\u001b[2J@x\"}}}}",
        b"\xff\xfe\x00",
        "[".repeat(100_000).as_bytes(),
    ] {
        let mut input = bad.to_vec();
        input.extend_from_slice(format!("\n\n \n{whoami}\n").as_bytes());
        let (status, lines) = answers(&platform, &input);
        let [first, second] = lines.as_slice() else { panic!("not two answers: {lines:?}") };
        // As far as it could be read, its id comes back.
        let id =
            serde_json::from_slice::<serde_json::Value>(bad).map_or(0, |bad| bad["id"].as_u64().unwrap_or(0));
        let start =
            format!(r#"{{"id":{id},"status":2,"error":{{"code":"usage","message":"that is not a request: "#);
        assert!(first.starts_with(&start), "{first}");
        assert!(first.len() < 1000, "{} bytes came back", first.len());
        assert_eq!((status, second.as_str()), (0, answer));
    }
}

#[test]
fn a_thousand_requests_on_one_channel_are_answered_in_order() {
    let platform = Platform::start();
    let request = |id: u32| format!("{{\"version\":1,\"id\":{id},\"command\":\"whoami\"}}\n");
    let input: String = (1..=1000).map(request).collect();
    // Without an end to the last line, which the end of input ends.
    let (status, lines) = answers(&platform, input.as_bytes());
    assert_eq!((status, lines.len()), (0, 1000));
    for (id, line) in (1..).zip(lines) {
        assert!(line.starts_with(&format!("{{\"id\":{id},\"status\":0,")), "{line}");
    }
}

/// The attack: a line that never ends, so that the gateway keeps more and more of it.
#[test]
fn a_line_without_end_is_cut_off() {
    let platform = Platform::start();
    let (status, lines) = answers(&platform, &vec![b' '; 3 * 1024 * 1024]);
    let too_long = r#"{"id":0,"status":2,"error":{"code":"usage","message":"that line is too long"}}"#;
    assert_eq!((status, lines), (2, vec![too_long.to_owned()]));
    assert_eq!(platform.admin().ssh("spaces", &["whoami"]).ok(), "root@example.com\n");
}
