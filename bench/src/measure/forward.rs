//! Connections through `ssh -L` to a server in the Space, and to the same one beside sshd.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use spaces_tests::free_port;

use crate::lab::Lab;
use crate::process::Running;
use crate::row::{Bar, Row, Unit};
use crate::target::Target;
use crate::turns::Turns;

/// Longest that a forwarded connection may be silent.
const SILENCE: Duration = Duration::from_mins(1);

/// Short connections of a round, one after the other.
const BLOCK: u32 = 100;

/// Bytes of one read or write.
const PIECE: usize = 1 << 16;

/// Answers a line with a number, and whatever else comes until its end, with so many bytes. Ends with its input.
const SERVER: &str = "import socketserver, sys, threading
zeros = bytes(1 << 16)
class Exchange(socketserver.StreamRequestHandler):
    rbufsize = 0
    def handle(self):
        left = int(self.rfile.readline())
        taken = bytearray(1 << 16)
        while self.rfile.readinto(taken):
            pass
        while left > 0:
            left -= self.request.send(zeros[:left])
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 500
server = Server((\"127.0.0.1\", 7000), Exchange)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(\"ready\", flush=True)
sys.stdin.read()
";

/// What else the forwarding connection carries. A terminal makes both ends of OpenSSH send small packets at once;
/// without one they wait for the other's acknowledgement, which takes sshd 40 ms for each connection.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nothing,
    Terminal,
}

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (ours, theirs) = (lab.space(), lab.rival());
    let _servers = [serve(&ours)?, serve(&theirs)?];
    let mut rows = Vec::new();
    for (what, beside) in [("-N -L", Beside::Nothing), ("-tt -L", Beside::Terminal)] {
        rows.extend(through(lab, what, &Forward::open(&ours, beside)?, &Forward::open(&theirs, beside)?)?);
    }
    Ok(rows)
}

fn through(lab: &Lab, options: &str, ours: &Forward, theirs: &Forward) -> anyhow::Result<Vec<Row>> {
    let mebibytes = lab.sizes.bulk_mib;
    let bytes = u64::from(mebibytes) << 20;
    let mut rows = Vec::new();
    for (direction, up, down) in [("down", 0, bytes), ("up", bytes, 0)] {
        let rate = |side: &Forward| side.rate(f64::from(mebibytes), || side.exchange(up, down));
        let what = format!("{options}, {mebibytes} MiB {direction}");
        let turns = Turns::take(lab.heavy_rounds(&what), || rate(ours), || rate(theirs))?;
        rows.push(turns.row(&what, "sshd", Unit::MebibytesPerSecond, Bar::RatioAtLeast(1.0)));
    }
    let short =
        |side: &Forward| side.rate(f64::from(BLOCK), || (0..BLOCK).try_for_each(|_| side.exchange(0, 1)));
    let what = format!("{options}, {} connections", BLOCK * lab.sizes.heavy_rounds());
    let turns = Turns::take(lab.heavy_rounds(&what), || short(ours), || short(theirs))?;
    rows.push(turns.row(&what, "sshd", Unit::PerSecond, Bar::RatioAtLeast(1.0)));
    Ok(rows)
}

/// Starts the server over there.
fn serve(target: &Target) -> anyhow::Result<Running> {
    announced(target, &[], &format!("python3 -c '{SERVER}'")).context("the server")
}

/// A command over there, once it has said that it is ready.
fn announced(target: &Target, options: &[&str], command: &str) -> anyhow::Result<Running> {
    let mut ssh = target.ssh(options, &[command]);
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running(ssh.spawn().context("cannot run ssh")?);
    running.read_until(b"ready")?;
    Ok(running)
}

/// A port here that leads to the server over there.
struct Forward {
    port: u16,
    _connection: Running,
}

impl Forward {
    fn open(target: &Target, beside: Beside) -> anyhow::Result<Self> {
        let port = free_port();
        let forward = format!("127.0.0.1:{port}:127.0.0.1:7000");
        let options = ["-o", "ExitOnForwardFailure=yes", "-L", &forward];
        let connection = match beside {
            Beside::Nothing => target.hold(&options)?,
            Beside::Terminal => {
                announced(target, &[&options[..], &["-tt"]].concat(), "echo ready; exec cat")?
            }
        };
        Ok(Self { port, _connection: connection })
    }

    /// So much, in the seconds that this takes.
    fn rate(&self, much: f64, exchange: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
        let start = Instant::now();
        exchange().with_context(|| format!("through port {}", self.port))?;
        Ok(much / start.elapsed().as_secs_f64())
    }

    /// One connection from its start to its end: so many bytes there, then so many back.
    fn exchange(&self, up: u64, down: u64) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.write_all(format!("{down}\n").as_bytes())?;
        let mut piece = vec![0; PIECE];
        let mut left = up;
        while let Some(next) = piece.get(..PIECE.min(left.try_into()?)).filter(|next| !next.is_empty()) {
            stream.write_all(next)?;
            left -= next.len() as u64;
        }
        stream.shutdown(Shutdown::Write)?;
        let mut back = 0;
        loop {
            let length = stream.read(&mut piece)?;
            if length == 0 {
                break;
            }
            back += length as u64;
        }
        anyhow::ensure!(back == down, "{back} bytes came back of {down}");
        Ok(())
    }
}
