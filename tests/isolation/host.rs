//! Reaching the host.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use spaces_tests::{Platform, run};

use crate::{python, reached};

/// Every address that this host has, of both families.
fn addresses() -> Vec<String> {
    let output = Command::new("ip").args(["-o", "addr", "show", "up"]).output().expect("`ip` runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let of_line = |line: &str| {
        let address = line.split_whitespace().nth(3)?.split('/').next()?;
        (!address.starts_with("fe80")).then(|| address.to_owned())
    };
    text.lines().filter_map(of_line).collect()
}

/// The attack: whatever listens on the host (the gateway, its metrics, the engine, a database that trusts its own
/// machine) is tried on each address that the host has, among them those of the bridges.
#[test]
fn no_service_of_the_host_can_be_reached_on_any_of_its_addresses() {
    let listener = TcpListener::bind("[::]:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = UdpSocket::bind(("::", port)).expect("the same port");
    let platform = Platform::start_with(&[("LISTEN", "0.0.0.0:0")]);
    let (mallory, id) = platform.owner("mallory@example.com", "lair");
    let mut docker = platform.docker();
    let format = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let bridge = run(docker.args(["inspect", "-f", format, &platform.container(&id)]), b"").ok();
    // Other bridges are of tests beside this one, and may vanish.
    let loopback = |address: &String| address.starts_with("127.") || address == "::1";
    let others =
        addresses().into_iter().filter(|address| !address.starts_with("10.213.") && !loopback(address));
    let addresses: Vec<String> = others.chain([bridge.trim().to_owned()]).collect();
    let places: Vec<String> = addresses
        .iter()
        .flat_map(|address| [port, platform.port()].map(|port| format!("{address} {port}")))
        .collect();
    // The twin: the host itself reaches them all, so that it is not for want of a listener.
    for place in &places {
        let (address, port) = place.rsplit_once(' ').expect("two words");
        let port: u16 = port.parse().expect("a port");
        let serves = address.contains('.') || port == listener.local_addr().expect("an address").port();
        let connected = std::net::TcpStream::connect((address, port)).is_ok();
        assert!(connected || !serves, "{place}");
    }
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    assert_eq!(reached(&mallory, "lair", &places), [""; 0]);
    let send = "import socket, sys\nfor a in sys.argv[2:]:\n  s = socket.socket(socket.AF_INET6 if ':' in a else \
                socket.AF_INET, socket.SOCK_DGRAM)\n  try: s.sendto(b'mallory', (a, int(sys.argv[1])))\n  except \
                OSError: pass\n";
    let words: Vec<&str> = addresses.iter().map(String::as_str).collect();
    python(&mallory, "lair", send, &[&[port.to_string().as_str()], words.as_slice()].concat()).ok();
    heard.set_read_timeout(Some(Duration::from_secs(1))).expect("a deadline");
    let mut packet = [0; 100];
    assert!(heard.recv(&mut packet).is_err(), "{packet:?}");
    // The twin: people still reach the Space, and it reaches itself.
    assert_eq!(mallory.ssh("lair", &["echo alive"]).ok(), "alive\n");
    assert_eq!(mallory.ssh("lair", &["ping -c 1 -W 2 127.0.0.1 >/dev/null && echo itself"]).ok(), "itself\n");
}
