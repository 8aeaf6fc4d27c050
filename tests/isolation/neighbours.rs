//! Reaching another Space.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::ChildStdout;

use spaces_tests::{Background, Person, Platform};

use crate::{python, reached};

/// Answers by TCP and UDP on port 7000, and writes down what it hears by UDP.
const SERVICE: &str = "
import socket, threading, sys
tcp = socket.create_server(('', 7000))
udp = socket.socket(type=socket.SOCK_DGRAM); udp.bind(('', 7000))
def hear():
    while True: print('heard', udp.recv(100).decode(), flush=True)
threading.Thread(target=hear, daemon=True).start()
print('ready', flush=True)
while True:
    c, _ = tcp.accept(); c.sendall(b'hello'); c.close()
";

/// Two people, a Space each, and a service in the second one.
struct Street {
    platform: Platform,
    mallory: Person,
    bob: Person,
    _service: Background,
    says: BufReader<ChildStdout>,
    /// Bob's Space, and the address of his end of its bridge on the host.
    bobs: String,
    bridge: String,
}

impl Street {
    fn new() -> Self {
        let platform = Platform::start();
        let (mallory, _) = platform.owner("mallory@example.com", "lair");
        let (bob, den) = platform.owner("bob@example.com", "den");
        let mut service = Background::start(bob.ssh_command().args(["den@127.0.0.1", "python3 -u -"]));
        let mut stdin = service.stdin.take().expect("stdin is piped");
        stdin.write_all(SERVICE.as_bytes()).expect("it reads");
        drop(stdin);
        let says = BufReader::new(service.stdout.take().expect("stdout is piped"));
        let mut street = Self {
            platform,
            mallory,
            bob,
            _service: service,
            says,
            bobs: String::new(),
            bridge: String::new(),
        };
        street.service_says("ready");
        let container = street.platform.container(&den);
        let inspect = |format: &str| {
            let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{format}}}}}{{{{end}}}}");
            let output = street.platform.docker().args(["inspect", "-f", &format, &container]).output();
            String::from_utf8(output.expect("docker runs").stdout).expect("text").trim().to_owned()
        };
        (street.bobs, street.bridge) = (inspect("IPAddress"), inspect("Gateway"));
        street
    }

    /// Reads on to this line; gives those before it.
    #[track_caller]
    fn service_says(&mut self, line: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let mut read = String::new();
            assert_ne!(self.says.read_line(&mut read).expect("it says something"), 0, "it ended: {before:?}");
            if read.trim_end() == line {
                return before;
            }
            before.push(read);
        }
    }
}

/// The attack: learn a neighbour's address (they are easy to guess), and connect to a service there. The bridge of the
/// neighbour has an address on the host, which would lead there too if the host answered on it.
#[test]
fn a_neighbours_service_cannot_be_reached() {
    let street = Street::new();
    let service = format!("{} 7000", street.bobs);
    // The twin: he reaches it himself, and so does his forward.
    assert_eq!(reached(&street.bob, "den", &[&service, "127.0.0.1 7000"]).len(), 2);
    let forwarded = street.bob.ssh_with(&["-W", &format!("{}:7000", street.bobs)], "den", &[], b"");
    assert_eq!(forwarded.stdout, "hello");
    assert_eq!(reached(&street.mallory, "lair", &[&service]), [""; 0]);
    let (own, port) = (street.bridge.as_str(), street.platform.port());
    assert_eq!(
        reached(&street.mallory, "lair", &[&format!("{own} 7000"), &format!("{own} {port}")]),
        [""; 0]
    );
}

/// The attack: send without a connection, by UDP, and ask for an echo, by ICMP.
#[test]
fn a_neighbour_hears_no_packet() {
    const SEND: &str = "
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
for _ in range(3):
    try: s.sendto(sys.argv[2].encode(), (sys.argv[1], 7000))
    except OSError as e: pass
";
    let mut street = Street::new();
    python(&street.mallory, "lair", SEND, &[&street.bobs, "mallory"]).ok();
    python(&street.bob, "den", SEND, &[&street.bobs, "bob"]).ok();
    // In the order of their coming: hers were sent before.
    assert_eq!(street.service_says("heard bob"), [""; 0]);
    let ping = |person: &Person, space: &str, address: &str| {
        person.ssh(space, &[&format!("ping -c 1 -W 2 {address}")]).status == 0
    };
    assert!(ping(&street.bob, "den", &street.bobs));
    assert!(!ping(&street.mallory, "lair", &street.bobs));
    assert!(!ping(&street.mallory, "lair", &street.bridge));
}

/// The attack: as root, speak on the wire itself, to answer for somebody else's address (ARP) or to send what no socket
/// would: a packet socket, a raw one, a false source address, a network interface of one's own.
#[test]
fn root_in_a_space_cannot_speak_on_the_wire() {
    const SPEAK: &str = "
import socket
def attempt(name, act):
    try: act(); print(name, 'done')
    except OSError as e: print(name, e.strerror)
attempt('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
attempt('icmp', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt('source', lambda: socket.socket(type=socket.SOCK_DGRAM).setsockopt(socket.SOL_IP, 19, 1))
attempt('echo', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP))
";
    let street = Street::new();
    let answer = python(&street.mallory, "lair", SPEAK, &[]).ok();
    let no = "Operation not permitted";
    assert_eq!(answer, format!("packet {no}\nraw {no}\nicmp {no}\nsource {no}\necho done\n"));
    for change in ["ip link add x type dummy", "ip addr add 10.9.9.9/24 dev eth0", "ip link set eth0 down"] {
        let refused = street.mallory.ssh("lair", &[&format!("sudo {change}")]);
        assert!(refused.stderr.contains(no), "{change}: {refused:?}");
    }
}
