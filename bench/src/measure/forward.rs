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

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (ours, theirs) = (Forward::open(&lab.space())?, Forward::open(&lab.rival())?);
    let mebibytes = lab.sizes.bulk_mib;
    let bytes = u64::from(mebibytes) << 20;
    let mut rows = Vec::new();
    for (direction, up, down) in [("down", 0, bytes), ("up", bytes, 0)] {
        let rate = |side: &Forward| side.rate(f64::from(mebibytes), || side.exchange(up, down));
        let what = format!("-L, {mebibytes} MiB {direction}");
        let turns = Turns::take(lab.heavy_rounds(&what), || rate(&ours), || rate(&theirs))?;
        rows.push(turns.row(&what, "sshd", Unit::MebibytesPerSecond, Bar::RatioAtLeast(1.0)));
    }
    let short =
        |side: &Forward| side.rate(f64::from(BLOCK), || (0..BLOCK).try_for_each(|_| side.exchange(0, 1)));
    let what = format!("-L, {} connections", BLOCK * lab.sizes.heavy_rounds());
    let turns = Turns::take(lab.heavy_rounds(&what), || short(&ours), || short(&theirs))?;
    rows.push(turns.row(&what, "sshd", Unit::PerSecond, Bar::RatioAtLeast(1.0)));
    Ok(rows)
}

/// A port here that leads to a server over there.
struct Forward {
    port: u16,
    _connection: Running,
    _server: Running,
}

impl Forward {
    fn open(target: &Target) -> anyhow::Result<Self> {
        let mut command = target.ssh(&[], &[&format!("python3 -c '{SERVER}'")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = Running(command.spawn().context("cannot run ssh")?);
        server.read_until(b"ready\n").context("the server")?;
        let port = free_port();
        let forward = format!("127.0.0.1:{port}:127.0.0.1:7000");
        let connection = target.hold(&["-o", "ExitOnForwardFailure=yes", "-L", &forward])?;
        Ok(Self { port, _connection: connection, _server: server })
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
