//! A guest that says whatever a test has it say. The real one is held still, and this one takes its place: the
//! gateway gives the newest control connection what it asks.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use spaces_protocol::frame::{Frame, FromGuest, Hello, Task, ToGuest, VERSION};
use spaces_tests::Platform;

/// Longest wait for the gateway.
const PATIENCE: Duration = Duration::from_mins(1);

/// The rogue's control connection.
pub(crate) struct Rogue {
    socket: PathBuf,
    pub(crate) control: Line,
}

/// One connection to the gateway.
pub(crate) struct Line(UnixStream);

impl Rogue {
    /// Takes the place of this Space's guest.
    pub(crate) fn replace(platform: &Platform, space: &str) -> Self {
        let paused = platform.docker().args(["pause", &platform.container(space)]).output();
        assert!(paused.expect("docker runs").status.success(), "its container can be held still");
        let socket = platform.state().join("run").join(space).join("gateway.sock");
        // As root of a Space it would not need to ask; this one is whoever runs the tests.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("the socket is ours");
        let seen = platform.log().len();
        let mut control = Line::connect(&socket);
        control.say(FromGuest::Hello(Hello::Control { version: VERSION }));
        platform.wait_for_log_after(seen, "guest connected");
        Self { socket, control }
    }

    /// One more connection, on which nothing has been said.
    pub(crate) fn dial(&self) -> Line {
        Line::connect(&self.socket)
    }

    /// One more connection that is said to be kept ready.
    pub(crate) fn spare(&self) -> Line {
        let mut line = self.dial();
        line.say(FromGuest::Hello(Hello::Spare));
        line
    }

    /// The ticket that the gateway asks to be shown next.
    pub(crate) fn ticket(&mut self) -> u64 {
        match self.control.hear() {
            Some(ToGuest::Open { ticket }) => ticket,
            other => panic!("no ticket: {other:?}"),
        }
    }

    /// The next channel that the gateway wants, and what for.
    pub(crate) fn channel(&mut self) -> (Line, Task) {
        let ticket = self.ticket();
        let mut line = self.dial();
        line.say(FromGuest::Hello(Hello::Channel { ticket }));
        match line.hear() {
            Some(ToGuest::Begin(task)) => (line, task),
            other => panic!("no task: {other:?}"),
        }
    }
}

impl Line {
    fn connect(socket: &PathBuf) -> Self {
        let stream = UnixStream::connect(socket).expect("the gateway's socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        Self(stream)
    }

    /// Says this.
    pub(crate) fn say(&mut self, message: FromGuest) {
        self.try_say(message).expect("it is taken");
    }

    pub(crate) fn try_say(&mut self, message: FromGuest) -> io::Result<()> {
        self.send(&Frame::Message(message))
    }

    /// Sends a frame with its right length.
    pub(crate) fn send(&mut self, frame: &Frame<FromGuest>) -> io::Result<()> {
        let (head, body) = frame.clone().into_wire().expect("a frame");
        self.send_bytes(&[head, body].concat())
    }

    /// Sends bytes that may be no frame at all.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// What the gateway says next; `None` once it has closed.
    pub(crate) fn hear(&mut self) -> Option<ToGuest> {
        match self.hear_frame()? {
            Frame::Message(message) => Some(message),
            other => panic!("no message: {other:?}"),
        }
    }

    fn hear_frame(&mut self) -> Option<Frame<ToGuest>> {
        let mut length = [0; 4];
        match self.0.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the gateway says nothing"),
            Err(_closed) => return None,
            Ok(()) => {}
        }
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut bytes).expect("a whole frame");
        Some(Frame::decode(bytes.into()).expect("a frame"))
    }

    /// Reads so many bytes of a stream.
    pub(crate) fn hear_data(&mut self, mut count: usize) {
        while count > 0 {
            match self.hear_frame() {
                Some(Frame::Stdin(data)) => count -= data.len(),
                other => panic!("no data: {other:?}"),
            }
        }
    }

    /// Reads to the end, which has to come.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the gateway keeps it"),
            Ok(_) | Err(_) => {}
        }
    }

    /// Whether the gateway has closed by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.set_nonblocking(true).expect("it is a socket");
        let ended = matches!(self.0.read(&mut [0]), Ok(0));
        self.0.set_nonblocking(false).expect("it is a socket");
        ended
    }

    /// Makes a write fail that the gateway does not take within this time.
    pub(crate) fn give_up_after(&mut self, time: Duration) {
        self.0.set_write_timeout(Some(time)).expect("a deadline");
    }

    /// Whether the gateway has closed, as far as a write can tell.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.send(&Frame::Stdout(b"x"[..].into())).is_err()
    }
}
