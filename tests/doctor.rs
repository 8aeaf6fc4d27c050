//! `spaces-gateway doctor`: it tells what holds on this host, and what does not.

use serde_json::Value;
use spaces_tests::{Platform, free_port, run};

/// What the doctor finds, by promise, and its exit status.
fn examine(platform: &Platform) -> (Vec<(String, String)>, i32) {
    let output = run(&mut platform.gateway_command(&["doctor", "--json"]), b"");
    let findings: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let finding = |finding: &Value| {
        let word = |key: &str| finding[key].as_str().expect("a word").to_owned();
        (word("promise"), word("holds"))
    };
    (findings.as_array().expect("findings").iter().map(finding).collect(), output.status)
}

/// Spaces of a doctor that the engine still has.
fn left_over(platform: &Platform) -> String {
    let line = "docker ps -aq --filter label=dev.spaces.installation | \
                xargs -r docker inspect -f '{{.Config.Hostname}}' 2>/dev/null | grep -x -e patient -e neighbour; :";
    run(platform.docker().args(["version"]), b"").ok();
    run(std::process::Command::new("sh").args(["-c", line]), b"").ok()
}

/// On this machine's engine, whose storage driver has no quotas: so the disk limit is soft, and says so.
#[test]
fn the_doctor_finds_what_holds_and_what_does_not_and_leaves_nothing() {
    // Beside a gateway that serves, on addresses that only one can have.
    let mut platform = Platform::start_with(&[("METRICS__LISTEN", &format!("127.0.0.1:{}", free_port()))]);
    let (findings, status) = examine(&platform);
    let found = |holds: &str| -> Vec<&str> {
        findings.iter().filter(|(_, verdict)| verdict == holds).map(|(promise, _)| promise.as_str()).collect()
    };
    assert_eq!(found("no"), [""; 0]);
    assert_eq!(found("soft"), ["the disk limit stops writes"]);
    assert_eq!(
        found("yes"),
        [
            "a space starts and is entered",
            "a terminal works",
            "forwards work both ways",
            "a neighbour cannot be reached",
            "the host cannot be reached",
            "the processor limit holds back",
            "the memory limit ends what exceeds it",
            "the limit of processes binds",
            "the network rate holds back",
            "the network budget cuts and ssh goes on",
        ]
    );
    assert_eq!(status, 0);
    assert_eq!(left_over(&platform), "");
    // The operator says that somebody else keeps Spaces apart, and nobody does: the doctor is not taken in.
    platform.set("ISOLATION__FIREWALL", "external");
    let (findings, status) = examine(&platform);
    let broken: Vec<_> =
        findings.iter().filter(|(_, holds)| holds == "no").map(|(promise, _)| promise.as_str()).collect();
    assert_eq!(
        broken,
        [
            "the host cannot be reached",
            "the network rate holds back",
            "the network budget cuts and ssh goes on"
        ]
    );
    assert_eq!(status, 1);
    assert_eq!(left_over(&platform), "");
    // A host on which no Space starts.
    platform.set("SPACE__IMAGE", "localhost:1/nothing-here:latest");
    let (findings, status) = examine(&platform);
    assert_eq!(findings, [("a space starts and is entered".to_owned(), "no".to_owned())]);
    assert_eq!(status, 1);
}
