//! What a monitoring system reads, on an address of this host alone.

use std::io::Write as _;
use std::net::TcpStream;

use spaces_tests::{Background, Platform, eventually, http_get};

fn platform(settings: &[(&str, &str)]) -> Platform {
    let own =
        [("METRICS__LISTEN", "127.0.0.1:0"), ("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms")];
    Platform::start_with(&[&own, settings].concat())
}

/// `GET PATH`: status and body.
fn get(platform: &Platform, path: &str) -> (u16, String) {
    let address = std::fs::read_to_string(platform.state().join("metrics_address")).expect("the address");
    http_get(address.trim(), path)
}

/// The value of a metric with these labels, as it stands in the text.
fn value(platform: &Platform, metric: &str) -> Option<f64> {
    let (_status, text) = get(platform, "/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

#[test]
fn what_happens_is_counted_and_what_spaces_use_is_told() {
    let platform = platform(&[]);
    let (alice, id) = platform.owner("alice@example.com", "room");
    let before = value(&platform, "spaces_connections_accepted_total").expect("a counter");
    let stranger = platform.stranger("eve@example.com");
    stranger.prompts_tell(&[], "eve@example.com", &platform.auth_key("alice@example.com"));
    let refused = "spaces_authentication_failures_total{reason=\"auth key not valid for this e-mail\"}";
    assert!(value(&platform, refused).is_some_and(|count| count >= 1.0), "{}", get(&platform, "/metrics").1);
    {
        let _idle = Background::start(alice.ssh_command().args(["room@127.0.0.1", "sleep 100"]));
        eventually(|| value(&platform, "spaces_channels"), |channels| *channels == Some(1.0));
        assert_eq!(value(&platform, "spaces_connections"), Some(1.0));
        let processes = format!("spaces_space_processes{{space=\"{id}\"}}");
        eventually(|| value(&platform, &processes), |count| *count >= Some(2.0));
    }
    eventually(|| value(&platform, "spaces_connections"), |connections| *connections == Some(0.0));
    assert_eq!(value(&platform, "spaces_channels"), Some(0.0));
    assert!(value(&platform, "spaces_connections_accepted_total") >= Some(before + 2.0));
    assert_eq!(value(&platform, "spaces_spaces{state=\"running\"}"), Some(1.0));
    let limit = format!("spaces_space_limit{{space=\"{id}\",resource=\"memory\"}}");
    assert_eq!(value(&platform, &limit), Some(4096.0 * 1024.0 * 1024.0));
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    let took = "spaces_operation_duration_seconds_count{operation=\"down\",outcome=\"done\"}";
    assert_eq!(value(&platform, took), Some(1.0));
    let memory = format!("spaces_space_memory_bytes{{space=\"{id}\"}}");
    eventually(|| value(&platform, &memory), Option::is_none);
    let cpu = format!("spaces_space_cpu_seconds_total{{space=\"{id}\"}}");
    assert!(value(&platform, &cpu) > Some(0.0), "what it used is still known");
    alice.ssh("spaces", &["space", "delete", "--space", "room"]).ok();
    eventually(|| value(&platform, &cpu), Option::is_none);
    let (_status, text) = get(&platform, "/metrics");
    assert!(!text.contains("example.com") && !text.contains("room"), "nobody's name is in it: {text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn health_is_the_gateways_and_readiness_the_engines_too() {
    let mut engine = spaces_tests::Engine::start();
    let socket = engine.socket().display().to_string();
    let platform = platform(&[("ENGINE__SOCKET", &socket), ("ISOLATION__FIREWALL", "external")]);
    assert_eq!(get(&platform, "/healthz"), (200, "alive\n".to_owned()));
    assert_eq!(get(&platform, "/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(get(&platform, "/elsewhere").0, 404);
    engine.stop();
    assert_eq!(get(&platform, "/readyz"), (503, "the container engine does not answer\n".to_owned()));
    assert_eq!(get(&platform, "/healthz").0, 200);
    engine.start_again();
    eventually(|| get(&platform, "/readyz").0, |status| *status == 200);
}

/// The attack: connections that say nothing, or half a request, until nobody else is answered.
#[test]
fn who_says_nothing_keeps_nobody_else_from_an_answer_for_long() {
    let platform = platform(&[]);
    let address = std::fs::read_to_string(platform.state().join("metrics_address")).expect("the address");
    let _silent: Vec<TcpStream> = (0..20)
        .map(|number| {
            let mut silent = TcpStream::connect(address.trim()).expect("it listens");
            if number % 2 == 0 {
                silent.write_all(b"GET /metr").expect("it reads");
            }
            silent
        })
        .collect();
    assert_eq!(get(&platform, "/healthz").0, 200);
}

/// Each metric that the dashboard asks for is one that the gateway tells.
#[test]
fn the_dashboard_shows_what_there_is() {
    let platform = platform(&[]);
    let (alice, _id) = platform.owner("alice@example.com", "room");
    let stranger = platform.stranger("eve@example.com");
    stranger.prompts_tell(&[], "eve@example.com", &platform.auth_key("alice@example.com"));
    alice.ssh("room", &["true"]).ok();
    eventually(|| get(&platform, "/metrics").1, |text| text.contains("spaces_space_disk_bytes{"));
    let (_status, text) = get(&platform, "/metrics");
    let file = spaces_tests::repository().join("config/grafana-dashboard.json");
    let dashboard = std::fs::read_to_string(file).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert_eq!(panels.len(), 12);
    for panel in panels {
        let expression = panel["targets"][0]["expr"].as_str().expect("an expression");
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for metric in words.filter(|word| word.starts_with("spaces_")) {
            let there = text.lines().any(|line| {
                line.starts_with(&format!("{metric}{{")) || line.starts_with(&format!("{metric} "))
            });
            assert!(there, "{metric} of `{expression}` is not in\n{text}");
        }
    }
}
