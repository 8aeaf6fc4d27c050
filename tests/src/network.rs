//! Networks of a test's own: a host apart from this one, and a world beyond it with addresses that only exist there.
//!
//! Everything that a thread starts is in its network namespace, so that a test which goes [`apart`] takes its engine,
//! its gateway and its clients with it. A namespace ends with the last that is in it.

use std::io::Write as _;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// What the world says to whoever connects.
pub const GREETING: &str = "the world";

/// Takes this thread, and all that it starts from now on, into a network with nothing but loopback in it.
///
/// Needs root, as an engine of the test's own does.
#[track_caller]
pub fn apart() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace, which needs root");
    ip(&["link", "set", "lo", "up"]);
}

/// Hosts beyond this one, played by one thread in a network of its own.
pub struct World {
    /// Dropped, it ends the thread.
    _end: Sender<()>,
    heard: Receiver<(IpAddr, String)>,
}

impl World {
    /// A link to a world with these addresses, each of which greets whoever connects by TCP to one of these ports, and
    /// keeps what it hears there by UDP. This side of the link has the addresses in `ours`, with their prefixes.
    #[track_caller]
    pub fn beyond(ours: &[&str], theirs: &[&str], ports: &[u16]) -> Self {
        let (tell_thread, thread) = channel();
        let (linked, wait_for_link) = channel();
        let (tell_ready, ready) = channel();
        let (end, wait_for_end) = channel();
        let (hear, heard) = channel();
        let (gateways, addresses) = (owned(ours), owned(theirs));
        let ports = ports.to_vec();
        std::thread::spawn(move || {
            apart();
            tell_thread.send(gettid().as_raw()).expect("the test waits");
            wait_for_link.recv().expect("the test goes on");
            for address in &addresses {
                ip(&["address", "add", address, "dev", "world", "nodad"]);
            }
            ip(&["link", "set", "world", "up"]);
            for gateway in &gateways {
                let gateway = gateway.split('/').next().unwrap_or_default();
                ip(&["route", "add", "default", "via", gateway, "dev", "world", "onlink"]);
            }
            for port in ports {
                serve(port, &hear);
            }
            tell_ready.send(()).expect("the test waits");
            // Ends when the test does.
            let _ended = wait_for_end.recv().is_err();
        });
        let thread = thread.recv().expect("the world starts").to_string();
        ip(&["link", "add", "outside", "type", "veth", "peer", "name", "world", "netns", &thread]);
        for address in ours {
            ip(&["address", "add", address, "dev", "outside", "nodad"]);
        }
        ip(&["link", "set", "outside", "up"]);
        linked.send(()).expect("the world waits");
        ready.recv().expect("the world is up");
        for address in theirs {
            let address = address.split('/').next().unwrap_or_default();
            ip(&["route", "replace", address, "dev", "outside"]);
        }
        Self { _end: end, heard }
    }

    /// How many bytes it hears by UDP until it is quiet for so long.
    pub fn received(&self, quiet: Duration) -> usize {
        std::iter::from_fn(|| self.hears(quiet)).map(|(_from, text)| text.len()).sum()
    }

    /// The next thing that it hears by UDP, and from whom.
    pub fn hears(&self, patience: Duration) -> Option<(IpAddr, String)> {
        self.heard.recv_timeout(patience).ok()
    }
}

/// All addresses, of both families.
fn serve(port: u16, hear: &Sender<(IpAddr, String)>) {
    let listener = TcpListener::bind(("::", port)).expect("a port");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            drop(connection.write_all(GREETING.as_bytes()));
        }
    });
    let (socket, hear) = (UdpSocket::bind(("::", port)).expect("a port"), hear.clone());
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let text = String::from_utf8_lossy(&packet[..length]).into_owned();
            if hear.send((from.ip().to_canonical(), text)).is_err() {
                return;
            }
        }
    });
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("`ip` runs");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
