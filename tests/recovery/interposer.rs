//! Stands between a gateway and the engine, and kills the gateway at a chosen call: every point at which the
//! two can be cut apart, one after the other, without luck.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

const ENGINE: &str = "/var/run/docker.sock";

/// Where in a call the gateway dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The engine never hears of the call.
    Before,
    /// The engine has the call, and is at work on it.
    During,
    /// The engine has done it, and the gateway does not know.
    After,
}

impl Moment {
    pub(crate) const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];
}

/// A kill to come.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Changing calls to let pass before.
    pass: u32,
    moment: Moment,
    gateway: u32,
}

/// The engine's socket, by way of us.
pub(crate) struct Interposer {
    socket: PathBuf,
    plan: Arc<Mutex<Option<Plan>>>,
    _folder: TempDir,
}

impl Interposer {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let plan = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&plan);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let plan = Arc::clone(&shared);
                // The gateway makes one call a connection.
                std::thread::spawn(move || pass_on(near, &plan));
            }
        });
        Self { socket, plan, _folder: folder }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Kills this process at the changing call after `pass` others.
    pub(crate) fn arm(&self, pass: u32, moment: Moment, gateway: u32) {
        *self.plan.lock().expect("no panic holds it") = Some(Plan { pass, moment, gateway });
    }

    /// Ends the plan; says whether it was carried out.
    pub(crate) fn disarm(&self) -> bool {
        self.plan.lock().expect("no panic holds it").take().is_none()
    }
}

fn pass_on(mut near: UnixStream, plan: &Mutex<Option<Plan>>) -> Option<()> {
    let request = read_request(&mut near)?;
    let plan = if changes(&request) { due(plan) } else { None };
    if let Some(Plan { moment: Moment::Before, gateway, .. }) = plan {
        kill(gateway);
        return None;
    }
    let mut far = UnixStream::connect(ENGINE).ok()?;
    far.write_all(&request).ok()?;
    match plan {
        Some(Plan { moment: Moment::During, gateway, .. }) => {
            kill(gateway);
            None
        }
        Some(Plan { gateway, .. }) => {
            let mut first = [0];
            far.read_exact(&mut first).ok()?;
            kill(gateway);
            None
        }
        None => relay(near, far),
    }
}

/// Counts a changing call against the plan; gives the plan if this is its call.
fn due(plan: &Mutex<Option<Plan>>) -> Option<Plan> {
    let mut plan = plan.lock().expect("no panic holds it");
    match plan.as_mut() {
        Some(Plan { pass: 0, .. }) => plan.take(),
        Some(Plan { pass, .. }) => {
            *pass -= 1;
            None
        }
        None => None,
    }
}

/// A ping counts: the gateway sends one before it writes an approval down.
fn changes(request: &[u8]) -> bool {
    let reads = request.starts_with(b"GET ") || request.starts_with(b"HEAD ");
    !reads || request.windows(6).take(64).any(|window| window == b"/_ping")
}

/// The head of a request, and as much of a body as it announces.
fn read_request(near: &mut UnixStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if request.len() >= end + 4 + length {
                return Some(request);
            }
        }
        match near.read(&mut piece).ok()? {
            0 => return None,
            read => request.extend_from_slice(&piece[..read]),
        }
    }
}

fn relay(near: UnixStream, far: UnixStream) -> Option<()> {
    let (mut upward, mut downward) = ((near.try_clone().ok()?, far.try_clone().ok()?), (far, near));
    std::thread::spawn(move || {
        drop(std::io::copy(&mut upward.0, &mut upward.1));
        drop(upward.1.shutdown(std::net::Shutdown::Both));
    });
    drop(std::io::copy(&mut downward.0, &mut downward.1));
    downward.1.shutdown(std::net::Shutdown::Both).ok()
}

fn kill(gateway: u32) {
    let killed = Command::new("kill").args(["-9", &gateway.to_string()]).status();
    assert!(killed.expect("kill runs").success(), "the gateway was gone already");
}
