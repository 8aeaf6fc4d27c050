//! A gateway for tests: one guest, a socket in a temporary folder, blocking reads with a deadline.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, iter};

use bytes::Bytes;
use spaces_protocol::frame::{
    Exit, Frame, FromGuest, Hello, Program, Start, Task, Terminal, ToGuest, VERSION, WindowSize,
};

/// Far beyond what anything here takes on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Connections that a guest keeps ready.
const SPARES: usize = 2;

/// Runs as root, without a terminal.
pub(crate) fn command(text: &str) -> Start {
    Start {
        program: Program::Command(text.as_bytes().to_vec()),
        user: "root".to_owned(),
        environment: Vec::new(),
        terminal: None,
    }
}

/// A login shell in a terminal of 80 columns.
pub(crate) fn shell_with_terminal() -> Start {
    Start {
        program: Program::LoginShell,
        terminal: Some(Terminal {
            term: "xterm-spaces".to_owned(),
            size: WindowSize { columns: 80, rows: 24, ..WindowSize::default() },
            modes: Vec::new(),
        }),
        ..command("")
    }
}

/// Waits until a process has ended. There is no event for a process that is not ours: it is asked again.
pub(crate) fn wait_until_gone(pid: &str) {
    assert!(pid.parse::<u32>().is_ok(), "{pid:?} is no process id");
    until(|| !PathBuf::from(format!("/proc/{pid}")).exists());
}

fn until(mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < DEADLINE, "did not happen in time");
        std::thread::yield_now();
    }
}

/// A guest and its gateway.
pub(crate) struct Gateway {
    folder: tempfile::TempDir,
    listener: UnixListener,
    control: UnixStream,
    guest: Child,
    next_ticket: AtomicU64,
    /// What the guest keeps ready.
    spares: Mutex<Vec<UnixStream>>,
}

impl Gateway {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("gateway.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let guest = Command::new(env!("CARGO_BIN_EXE_spaces-guest"))
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let control = accept_control(&listener);
        let gateway = Self {
            folder,
            listener,
            control,
            guest,
            next_ticket: AtomicU64::new(1),
            spares: Mutex::default(),
        };
        gateway.await_spares();
        gateway
    }

    /// Gone for a moment, with its socket; then there again.
    pub(crate) fn restart(&mut self) {
        let socket = self.folder.path().join("gateway.sock");
        fs::remove_file(&socket).unwrap();
        self.listener = UnixListener::bind(&socket).unwrap();
        self.control.shutdown(std::net::Shutdown::Both).unwrap();
        self.spares.lock().unwrap().clear();
        self.control = accept_control(&self.listener);
        self.await_spares();
    }

    /// Waits until the guest keeps as many connections ready as it does.
    fn await_spares(&self) {
        while self.spares.lock().unwrap().len() < SPARES {
            assert!(self.accept().is_none(), "it was asked for nothing");
        }
    }

    /// Takes one connection; gives it, with what it says it is for, unless it is a spare one.
    fn accept(&self) -> Option<(UnixStream, Hello)> {
        let mut stream = accept(&self.listener);
        match read(&mut stream) {
            Some(Frame::Message(FromGuest::Hello(Hello::Spare))) => {
                self.spares.lock().unwrap().push(stream);
                None
            }
            Some(Frame::Message(FromGuest::Hello(hello))) => Some((stream, hello)),
            other => panic!("{other:?}"),
        }
    }

    /// A channel on a connection that the guest keeps ready, whose program was asked for. The guest makes another.
    pub(crate) fn open_spare(&self, start: Start) -> Channel {
        let stream = self.spares.lock().unwrap().pop().unwrap();
        let mut channel = Channel::new(stream);
        channel.send(ToGuest::Begin(Task::Run(start)));
        self.await_spares();
        channel
    }

    /// Closes what the guest keeps ready, and waits for others.
    pub(crate) fn refuse_spares(&self) {
        self.spares.lock().unwrap().clear();
        self.await_spares();
    }

    /// A channel whose program was asked for.
    pub(crate) fn open(&self, start: Start) -> Channel {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        write(&self.control, Frame::Message(ToGuest::Open { ticket }));
        let (stream, hello) = iter::repeat_with(|| self.accept()).find_map(|asked| asked).unwrap();
        assert_eq!(hello, Hello::Channel { ticket });
        let mut channel = Channel::new(stream);
        channel.send(ToGuest::Begin(Task::Run(start)));
        channel
    }

    /// A channel whose program runs.
    pub(crate) fn run(&self, start: Start) -> Channel {
        let mut channel = self.open(start);
        assert_eq!(channel.message(), FromGuest::Started);
        channel
    }

    /// Why a program does not start.
    pub(crate) fn refused(&self, start: Start) -> String {
        let mut channel = self.open(start);
        match channel.message() {
            FromGuest::Failed(reason) => {
                assert!(channel.next().is_none(), "nothing follows a refusal");
                reason
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.guest.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        until(|| {
            ended = self.guest.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// Process ids of the guest's children, zombies included.
    pub(crate) fn children(&self) -> Vec<String> {
        let id = self.guest.id();
        let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// How many descriptors the guest has open, once as few as expected or after a deadline.
    pub(crate) fn settled_descriptors(&self, expected: usize) -> usize {
        let count = || fs::read_dir(format!("/proc/{}/fd", self.guest.id())).unwrap().count();
        let since = Instant::now();
        let patience = if expected == 0 { Duration::from_millis(500) } else { DEADLINE };
        while since.elapsed() < patience && count() != expected {
            std::thread::yield_now();
        }
        count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // A test that failed leaves its guest: it must not outlive the test.
        drop(self.guest.kill());
        drop(self.guest.wait());
    }
}

/// One channel's connection, and what its program has said so far.
pub(crate) struct Channel {
    stream: UnixStream,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// All that a program said until its connection closed.
pub(crate) struct End {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Option<Exit>,
}

impl Channel {
    fn new(stream: UnixStream) -> Self {
        Self { stream, stdout: Vec::new(), stderr: Vec::new() }
    }

    /// The same channel, for a second thread to write.
    pub(crate) fn writer(&self) -> Self {
        Self::new(self.stream.try_clone().unwrap())
    }

    pub(crate) fn send(&mut self, message: ToGuest) {
        write(&self.stream, Frame::Message(message));
    }

    pub(crate) fn stdin(&mut self, bytes: &[u8]) {
        write(&self.stream, Frame::<ToGuest>::Stdin(Bytes::copy_from_slice(bytes)));
    }

    /// Sends input until the guest takes no more.
    pub(crate) fn write_until_stuck(&mut self, bytes: &[u8]) {
        let frame = wire(Frame::<ToGuest>::Stdin(Bytes::copy_from_slice(bytes)));
        self.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        loop {
            match self.stream.write_all(&frame) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn next(&mut self) -> Option<Frame<FromGuest>> {
        read(&mut self.stream)
    }

    /// The next frame, which must be a message.
    pub(crate) fn message(&mut self) -> FromGuest {
        match self.next() {
            Some(Frame::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    /// Collects output until a status comes; takes what has come so far.
    pub(crate) fn until_exit(&mut self) -> (Vec<u8>, Exit) {
        loop {
            match self.next().unwrap() {
                Frame::Message(FromGuest::Exited(exit)) => return (std::mem::take(&mut self.stdout), exit),
                frame => self.collect(frame),
            }
        }
    }

    /// Exactly these bytes, next.
    pub(crate) fn expect_output(&mut self, bytes: &[u8]) {
        while self.stdout.len() < bytes.len() {
            let frame = self.next().unwrap();
            self.collect(frame);
        }
        assert_eq!(self.stdout, bytes);
        self.stdout.clear();
    }

    /// These bytes, next, and perhaps more.
    pub(crate) fn expect_output_begins(&mut self, bytes: &[u8]) {
        while self.stdout.len() < bytes.len() {
            let frame = self.next().unwrap();
            self.collect(frame);
        }
        assert!(self.stdout.starts_with(bytes));
    }

    /// Output up to and with these bytes, as text.
    pub(crate) fn expect_until(&mut self, bytes: &[u8]) -> String {
        while !self.stdout.ends_with(bytes) {
            let frame = self.next().unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&self.stdout)));
            self.collect(frame);
        }
        String::from_utf8(std::mem::take(&mut self.stdout)).unwrap()
    }

    /// Everything until the guest closes.
    pub(crate) fn finish(&mut self) -> End {
        let mut exit = None;
        while let Some(frame) = self.next() {
            match frame {
                Frame::Message(FromGuest::Exited(ended)) => {
                    assert_eq!(exit, None, "a program ends once");
                    exit = Some(ended);
                }
                frame => self.collect(frame),
            }
        }
        End { stdout: std::mem::take(&mut self.stdout), stderr: std::mem::take(&mut self.stderr), exit }
    }

    /// A program that was begun and reads nothing, to its end.
    pub(crate) fn finish_without_input(&mut self) -> End {
        assert_eq!(self.message(), FromGuest::Started);
        self.send(ToGuest::StdinEof);
        self.finish()
    }

    fn collect(&mut self, frame: Frame<FromGuest>) {
        match frame {
            Frame::Stdout(bytes) => self.stdout.extend_from_slice(&bytes),
            Frame::Stderr(bytes) => self.stderr.extend_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
    }
}

fn accept_control(listener: &UnixListener) -> UnixStream {
    let mut stream = accept(listener);
    let hello = read(&mut stream);
    assert_eq!(hello, Some(Frame::Message(FromGuest::Hello(Hello::Control { version: VERSION }))));
    stream
}

fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    until(|| match listener.accept() {
        Ok((stream, _)) => {
            accepted = Some(stream);
            true
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    });
    let stream = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn wire(frame: Frame<ToGuest>) -> Vec<u8> {
    let (head, body) = frame.into_wire().unwrap();
    [head, body].concat()
}

fn write(mut stream: &UnixStream, frame: Frame<ToGuest>) {
    stream.write_all(&wire(frame)).unwrap();
}

fn read(stream: &mut UnixStream) -> Option<Frame<FromGuest>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
        Err(error) => panic!("{error}"),
    }
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some(Frame::decode(body.into()).unwrap())
}
