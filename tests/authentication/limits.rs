//! How often, how long and how many: what a stranger can take of the gateway.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use russh::keys::PrivateKeyWithHashAlg;
use spaces_tests::{Platform, eventually};
use tokio::time::timeout;

use crate::client::{PATIENCE, client, exec, key_of, leave};

/// A login shell often has 1,024, fewer than a gateway takes connections.
#[test]
fn the_gateway_has_as_many_open_files_as_the_system_allows() {
    // Inherited by the gateway; each test is a process of its own.
    let own = std::process::id().to_string();
    let lowered = Command::new("prlimit").args(["--pid", &own, "--nofile=512:"]).status();
    assert!(lowered.expect("prlimit runs").success());
    let platform = Platform::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", platform.pid())).expect("its limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("that limit");
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[3], fields[4], "{line}");
}

/// The attack: auth keys are tried one after the other, for one person or for many.
#[test]
fn attempts_per_email_and_per_address_are_limited_and_the_answer_says_to_wait() {
    let settings = [("LIMITS__LOGIN_ATTEMPTS_PER_EMAIL", "2"), ("LIMITS__LOGIN_ATTEMPTS_PER_ADDRESS", "6")];
    let platform = Platform::start_with(&settings);
    let mallory = platform.stranger("mallory@example.com");
    let wrong = platform.auth_key("mallory@example.com");
    let good = platform.auth_key("carol@example.com");
    // From another address than the platform admin's, so that each has a count of its own.
    let from = ["-b", "127.0.0.2"];
    let told = mallory.prompts_tell(&from, "carol@example.com", &wrong);
    let (invalid, wait) =
        ("That auth key is not valid for that e-mail.\n", "Too many attempts. Try again in a minute.\n");
    assert!(told.contains(invalid), "{told}");
    let told = mallory.prompts_tell(&from, "carol@example.com", &wrong);
    assert!(told.contains(wait) && !told.contains(invalid), "{told}");
    // Even the right key has to wait now, from wherever it comes: or a guess would show.
    let carol = platform.stranger("carol@example.com");
    let file = carol.private_file("key", &good);
    let login = carol.spaces(&["login", "carol@example.com", "--key-file", &file.display().to_string()]);
    assert_eq!(login.fails(75), "error: too many attempts\nhint: try again in a minute\n");
    // Another e-mail is not affected, until the address has had its share.
    let told = mallory.prompts_tell(&from, "dave@example.com", &wrong);
    assert!(told.contains(invalid) || told.contains(wait), "{told}");
    let told = mallory.prompts_tell(&from, "erin@example.com", &wrong);
    assert!(told.contains(wait) && !told.contains(invalid), "{told}");
    // The friendly twin: people with a registered key are not held up by any of it.
    let options = ["-b", "127.0.0.2"];
    assert_eq!(platform.admin().ssh_with(&options, "spaces", &["whoami"], b"").ok(), "root@example.com\n");
    let frank = platform.person("frank@example.com");
    assert_eq!(frank.ssh("spaces", &["whoami"]).ok(), "frank@example.com\n");
}

/// The next bytes to send.
type Drip = fn() -> Vec<u8>;

/// Sends a little, now and then, until the far end closes; gives how long that took.
fn drip_until_cut(mut stream: TcpStream, next: Drip) -> Duration {
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let mut piece = [0; 4096];
    while begun.elapsed() < PATIENCE {
        match stream.read(&mut piece) {
            Ok(0) => return begun.elapsed(),
            Ok(_something) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if stream.write_all(&next()).is_err() {
                    return begun.elapsed();
                }
            }
            Err(_reset) => return begun.elapsed(),
        }
    }
    panic!("it was never cut");
}

/// `SSH_MSG_IGNORE`, in the clear.
fn ignore() -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 12, 6, 2, 0, 0, 0, 0];
    packet.extend_from_slice(&[0; 6]);
    packet
}

/// The attack: connections are opened and never come to a login, each kept alive by a byte now and then, until
/// the gateway has no more of them for anybody.
#[tokio::test]
async fn a_connection_that_does_not_authenticate_in_time_is_cut_whatever_it_drips() {
    let platform = Platform::start_with(&[("LIMITS__LOGIN_GRACE", "3s")]);
    let grace = Duration::from_secs(3);
    let address = ("127.0.0.1", platform.port());
    // The friendly twin, from before until after.
    let mut admin = client(&platform).await;
    let key = PrivateKeyWithHashAlg::new(key_of(platform.admin()).into(), None);
    assert!(admin.authenticate_publickey("spaces", key).await.expect("an answer").success());
    let begun = Instant::now();
    let connect = || TcpStream::connect(address).expect("it connects");
    let greeted = || {
        let mut stream = connect();
        stream.write_all(b"SSH-2.0-drip\r\n").expect("it reads");
        stream
    };
    let drips: [(TcpStream, Drip); 4] =
        [(connect(), Vec::new), (connect(), || b"S".to_vec()), (greeted(), || vec![0]), (greeted(), ignore)];
    let threads = drips.map(|(stream, next)| std::thread::spawn(move || drip_until_cut(stream, next)));
    // With keys exchanged, and a keepalive now and then, and no login.
    let mut halfway = client(&platform).await;
    drop(timeout(PATIENCE, &mut halfway).await.expect("it was never cut"));
    assert!(begun.elapsed() >= grace, "{:?}", begun.elapsed());
    for thread in threads {
        let lasted = thread.join().expect("no panic");
        assert!(lasted < 2 * grace, "{lasted:?}");
    }
    assert!(begun.elapsed() < 2 * grace, "{:?}", begun.elapsed());
    assert_eq!(exec(&admin, b"whoami").await.1, "root@example.com\n");
    leave(admin).await;
}

/// The attack: one machine opens connections until there are none left for others.
#[test]
fn connections_of_one_address_are_limited_and_others_still_get_in() {
    let platform = Platform::start_with(&[("LIMITS__CONNECTIONS_PER_ADDRESS", "3")]);
    let admin = platform.admin();
    let open = || {
        let mut stream = TcpStream::connect(("127.0.0.1", platform.port())).expect("it connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut banner = [0; 8];
        let greeted = stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-2.0-";
        greeted.then_some(stream)
    };
    // Connections that have just ended may still count.
    let mut held = Vec::new();
    eventually(|| held.extend(open()), |()| true);
    while held.len() < 3 {
        held.extend(open());
    }
    assert!(open().is_none(), "a fourth connection was greeted");
    admin.ssh("spaces", &["whoami"]).fails(255);
    assert_eq!(admin.ssh_with(&["-b", "127.0.0.2"], "spaces", &["whoami"], b"").ok(), "root@example.com\n");
    held.pop();
    let answer = eventually(|| admin.ssh("spaces", &["whoami"]), |answer| answer.status == 0);
    assert_eq!(answer.stdout, "root@example.com\n");
}
