//! Who is still there: asked by the client, and by the gateway.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use spaces_tests::{Background, Multiplex, Person, Platform, eventually};

/// A way to the gateway that can go mute: it stays open and carries nothing any more, as a cable that was cut.
struct Cable {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Cable {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cut = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let gateway = TcpStream::connect(("127.0.0.1", target)).expect("the gateway listens");
                for (from, to) in [(&client, &gateway), (&gateway, &client)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    let cut = Arc::clone(&shared);
                    thread::spawn(move || carry(from, to, &cut));
                }
            }
        });
        Self { port, cut }
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

/// Carries bytes until the cable is cut; then neither reads nor closes, for as long as the other end stays.
fn carry(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut piece = [0; 16 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut piece) else {
            drop(to.shutdown(Shutdown::Write));
            return;
        };
        if cut.load(Ordering::SeqCst) {
            // Not closed: the ends know nothing.
            std::mem::forget((from, to));
            return;
        }
        if to.write_all(&piece[..length]).is_err() {
            return;
        }
    }
}

/// Asks soon, so that a test need not wait long: gone after three seconds.
const SOON: [(&str, &str); 2] = [("LIMITS__KEEPALIVE_EVERY", "1s"), ("LIMITS__KEEPALIVE_MISSED", "2")];

fn through(cable: &Cable, person: &Person, command: &str) -> Background {
    let mut ssh = person.ssh_without_deadline();
    let proxy = format!("ProxyCommand=busybox nc 127.0.0.1 {}", cable.port);
    ssh.args(["-o", &proxy, "-tt", "room@127.0.0.1", command]);
    let mut session = Background::start(&mut ssh);
    let mut ready = [0; 7];
    session.stdout.as_mut().expect("it is piped").read_exact(&mut ready).expect("output");
    assert_eq!(&ready, b"ready\r\n");
    session
}

const WITNESS: &str = "rm -f note; (trap 'echo hung up > note; exit' HUP; while :; do sleep 0.1; done) & echo ready; \
                       read line";

/// Waits for the word of the program that was hung up on: the three rounds, and what a loaded machine needs.
#[track_caller]
fn expect_hang_up(person: &Person, since: Instant) {
    let look = || person.ssh("room", &["cat note; pgrep -cx yes; true"]).ok();
    eventually(look, |seen| seen == "hung up\n0\n");
    assert!(since.elapsed() < Duration::from_secs(15), "it took {:?}", since.elapsed());
}

/// A laptop that lost its network: nothing says good-bye, and every connection stays open.
#[test]
fn a_client_that_falls_silent_is_gone_in_bounded_time_and_its_terminal_hung_up() {
    let platform = Platform::start_with(&SOON);
    let (alice, _) = platform.owner("alice@example.com", "room");
    let cable = Cable::to(platform.port());
    let _session = through(&cable, &alice, WITNESS);
    cable.cut();
    expect_hang_up(&alice, Instant::now());
}

/// The same with more on its way than the buffers of the network hold: the gateway waits to write, and cannot ask.
#[test]
fn a_client_that_falls_silent_in_full_flow_is_gone_as_soon() {
    let platform = Platform::start_with(&SOON);
    let (alice, _) = platform.owner("alice@example.com", "room");
    let cable = Cable::to(platform.port());
    let proxy = format!("ProxyCommand=busybox nc 127.0.0.1 {}", cable.port);
    let connection = Multiplex::connect(&alice, &["-o", &proxy], "room");
    let mut witness = Background::start(&mut connection.command(&["-tt", WITNESS]));
    witness.stdout.as_mut().expect("it is piped").read_exact(&mut [0; 6]).expect("output");
    // Each has a window of two megabytes that its client goes on giving back.
    let _flows: Vec<_> = (0..16)
        .map(|_| {
            let mut flow = Background::start(&mut connection.command(&["exec yes"]));
            let mut stdout = flow.stdout.take().expect("it is piped");
            stdout.read_exact(&mut [0; 4096]).expect("output");
            thread::spawn(move || drop(std::io::copy(&mut stdout, &mut std::io::sink())));
            flow
        })
        .collect();
    cable.cut();
    expect_hang_up(&alice, Instant::now());
}

/// The friendly twin: silent, but there. Each question is answered, so it is held for as long as it likes.
#[test]
fn a_client_that_is_merely_idle_is_kept() {
    let platform = Platform::start_with(&SOON);
    let (alice, _) = platform.owner("alice@example.com", "room");
    let output = alice.ssh_with(&["-vvv"], "room", &["sleep 8; echo still there"], b"");
    assert!(output.stderr.matches("keepalive@openssh.com").count() >= 4, "{}", output.stderr);
    assert_eq!(output.ok(), "still there\n");
}

#[test]
fn a_client_that_asks_is_answered_whatever_its_sessions_do() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let options = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"];
    for command in ["sleep 6; echo there", "head -c 1000 /dev/zero >&2; exec <&-; sleep 6; echo there"] {
        assert_eq!(alice.ssh_with(&options, "room", &[command], &vec![0; 5_000_000]).ok(), "there\n");
    }
}
