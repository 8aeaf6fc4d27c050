//! A host in a network of the test's own, and a world beyond it: where a Space may go, and where not.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use spaces_tests::network::{World, apart};
use spaces_tests::{Engine, Person, Platform, eventually, run};

use crate::reached;

/// Addresses set apart for documentation stand in for the internet.
pub(crate) const PUBLIC: &str = "203.0.113.2";
const PUBLIC_6: &str = "2001:db8::2";
/// Somebody's private network, a part of it that is open by policy, and the resolver in it.
const PRIVATE: &str = "10.77.0.2";
const OPEN: &str = "10.88.0.2";
const RESOLVER: &str = "10.77.0.53";
/// Where clouds answer every machine with its secrets: here an interface of the test's own thread.
const METADATA: &str = "169.254.169.254";

/// Long enough for a packet on one machine.
pub(crate) const MOMENT: Duration = Duration::from_secs(2);

pub(crate) struct Town {
    pub(crate) world: World,
    pub(crate) platform: Platform,
    pub(crate) mallory: Person,
    pub(crate) space: String,
    pub(crate) engine: Engine,
}

impl Town {
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        apart();
        let ours = ["203.0.113.1/24", "2001:db8::1/64"];
        let theirs = [PUBLIC, PRIVATE, OPEN, RESOLVER, METADATA].map(|address| format!("{address}/32"));
        let six = format!("{PUBLIC_6}/64");
        let theirs: Vec<&str> = theirs.iter().map(String::as_str).chain([six.as_str()]).collect();
        let world = World::beyond(&ours, &theirs, &[53, 80]);
        let engine = Engine::start_beside();
        let socket = engine.socket().display().to_string();
        let resolvers = format!("[\"{RESOLVER}\"]");
        let own = [
            ("ENGINE__SOCKET", socket.as_str()),
            ("ISOLATION__RESOLVERS", &resolvers),
            ("ISOLATION__OPEN", "[\"10.88.0.0/16\"]"),
        ];
        let platform = Platform::start_with(&[&own, settings].concat());
        let (mallory, space) = platform.owner("mallory@example.com", "lair");
        Self { world, platform, mallory, space, engine }
    }

    /// Whether the host itself does.
    fn host_reaches(address: &str, port: u16) -> bool {
        let address: IpAddr = address.parse().expect("an address");
        std::net::TcpStream::connect_timeout(&(address, port).into(), MOMENT).is_ok()
    }
}

/// The attack: from a Space, connect to whatever the host can reach: its private networks, the metadata service of its
/// cloud, the resolver's other ports, and anything at all by IPv6, for which Spaces have no network of their own.
#[test]
fn the_way_out_is_open_and_the_way_to_everything_else_is_shut() {
    let town = Town::new(&[]);
    let everywhere = [PUBLIC, PUBLIC_6, PRIVATE, OPEN, RESOLVER, METADATA];
    // The twin: it is all there.
    for address in everywhere {
        assert!(Town::host_reaches(address, 80), "{address}");
    }
    let web = everywhere.map(|address| format!("{address} 80"));
    let web: Vec<&str> = web.iter().map(String::as_str).collect();
    let (public, open) = (format!("{PUBLIC} 80"), format!("{OPEN} 80"));
    assert_eq!(reached(&town.mallory, "lair", &web), [public.clone(), open]);
    let names = [RESOLVER, PRIVATE, METADATA].map(|address| format!("{address} 53"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(reached(&town.mallory, "lair", &names), [format!("{RESOLVER} 53")]);

    // A forward leads where the Space may go, and nowhere else.
    let forward = |to: &str| town.mallory.ssh_with(&["-W", &format!("{to}:80")], "lair", &[], b"").stdout;
    assert_eq!([forward(PUBLIC), forward(METADATA)], ["the world", ""]);
}

/// The attack: send under the address of another Space, to be taken for it. No program in a Space can, for want of a
/// capability; so the attacker here is a container with that capability, put onto the Space's bridge from outside.
#[test]
fn a_false_source_address_gets_no_further_than_the_bridge() {
    const SPOOF: &str = "
import socket, sys
source, to = sys.argv[1:]
if source == 'own': source = socket.gethostbyname(socket.gethostname())
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
s.setsockopt(socket.SOL_IP, socket.IP_HDRINCL, 1)
text = b'from ' + source.encode()
udp = (4000).to_bytes(2, 'big') + (53).to_bytes(2, 'big') + (8 + len(text)).to_bytes(2, 'big') + bytes(2) + text
ip = bytes([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]) + socket.inet_aton(source) + socket.inet_aton(to)
s.sendto(ip + udp, (to, 0))
";
    let town = Town::new(&[]);
    let network = town.platform.container(&town.space);
    let spoof = |source: &str| {
        let mut docker = town.engine.docker();
        docker.args(["run", "-i", "--rm", "--network", &network, "--cap-add", "NET_RAW", Engine::BASE]);
        run(docker.args(["python3", "-", source, PUBLIC]), SPOOF.as_bytes()).ok();
    };
    spoof("10.213.77.2");
    spoof("198.51.100.7");
    // The twin: its own address. It alone arrives.
    spoof("own");
    let (_from, heard) = town.world.hears(MOMENT * 5).expect("one packet arrives");
    assert!(heard.starts_with("from 10.213."), "{heard}");
    assert!(!heard.contains("10.213.77.2"), "{heard}");
    assert_eq!(town.world.hears(MOMENT), None);
}

/// An operator's `nft flush ruleset`, or a firewall service that starts anew, takes our rules with it.
#[test]
fn rules_that_somebody_removed_are_put_up_again_and_go_with_the_last_space() {
    let town = Town::new(&[("ENGINE__RECONCILE_EVERY", "1s")]);
    let table = town.platform.firewall_table();
    let listed = || Command::new("nft").args(["list", "table", "inet", &table]).output().expect("nft runs");
    assert!(listed().status.success());
    let private = format!("{PRIVATE} 80");
    let flush = Command::new("nft").args(["flush", "chain", "inet", &table, "out"]).status();
    assert!(flush.expect("nft runs").success());
    // Without the rule it was open: so the rule is what shuts it.
    town.platform.wait_for_log("the firewall's rules were changed from outside");
    eventually(|| reached(&town.mallory, "lair", &[&private]), Vec::is_empty);
    assert_eq!(reached(&town.mallory, "lair", &[&format!("{PUBLIC} 80")]).len(), 1);
    town.mallory.ssh("spaces", &["space", "delete", "--space", "lair"]).ok();
    assert!(!listed().status.success(), "{}", String::from_utf8_lossy(&listed().stdout));
    // And the first one has them again.
    town.platform.create_space("mallory@example.com", "den");
    assert_eq!(reached(&town.mallory, "den", &[&private]), [""; 0]);
}
