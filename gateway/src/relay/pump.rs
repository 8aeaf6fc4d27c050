//! One SSH channel joined to one guest channel: bytes in, bytes out, and control, until both ends agree.
//!
//! ```text
//! client -> ingress -> guest    window is granted as the guest's socket takes the bytes, not as they arrive
//! client <- egress  <- guest    the client's window holds the guest back
//! ```
//!
//! Ingress always reads the SSH channel, whatever the guest does: a full channel queue would stop the whole
//! connection, siblings included. What it holds is bounded by the channel's window.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use russh::server::{Handle, Msg};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use spaces_protocol::frame::{Exit, Frame, FromGuest, MAX_DATA, Signal, Start, Task, ToGuest, WindowSize};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::socket::{GuestReader, GuestWriter};
use super::window::Window;

/// Most pieces of input that are kept apart. A client that sends single bytes must not make each of them cost
/// what a piece costs.
const PIECES: usize = 1024;

/// How long a socket in a Space may take for the last of its bytes, after the client is gone.
const DRAIN: Duration = Duration::from_secs(30);

/// How many sockets may do so at once on the whole platform: what they hold, up to a window each, belongs to no
/// connection any more.
pub(crate) const LEFTOVERS: usize = 64;

/// The SSH side of a channel.
pub(crate) struct SshChannel {
    pub(crate) read: ChannelReadHalf,
    pub(crate) write: ChannelWriteHalf<Msg>,
    pub(crate) handle: Handle,
    pub(crate) window: Window,
    /// Cancelled when the client says that it reads no more (`eow@openssh.com`).
    pub(crate) output_closed: CancellationToken,
}

/// How a program in a Space came to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It ran, and the client has been told how it ended.
    Exited,
    /// The client went away first.
    ClientGone,
    /// It could not be started.
    NotStarted(String),
    /// The guest, or the way to it, broke.
    GuestLost(io::Error),
}

/// Starts the program and pumps until it has ended and its output is with the client. Does not close the
/// channel, unless the program exited.
pub(crate) async fn run(ssh: &mut SshChannel, guest: (GuestReader, GuestWriter), start: Start) -> Ended {
    let (mut reader, mut writer) = guest;
    if let Err(error) = writer.message(ToGuest::Begin(Task::Run(start))).await {
        return Ended::GuestLost(error);
    }
    match reader.message().await {
        Ok(FromGuest::Started) => {}
        Ok(FromGuest::Failed(text)) => return Ended::NotStarted(text),
        Ok(_out_of_turn) => return Ended::GuestLost(io::ErrorKind::InvalidData.into()),
        Err(error) => return Ended::GuestLost(error),
    }
    let SshChannel { read, write, handle, window, output_closed } = ssh;
    let mut ingress = Ingress::new(window, output_closed);
    let exit = tokio::select! {
        exit = egress(&mut reader, write, output_closed) => exit,
        () = ingress.run(read, &mut writer) => return Ended::ClientGone,
    };
    match exit {
        Ok(Some(exit)) => match tell_exit(write, handle, &exit).await {
            Ok(()) => Ended::Exited,
            Err(_closed) => Ended::ClientGone,
        },
        Ok(None) => Ended::GuestLost(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Ended::GuestLost(error),
    }
}

/// Carries the bytes of a socket until both of its directions have ended, and closes the channel. A client's last
/// bytes are given to the socket after it has closed, where `leftovers` has room for them.
pub(crate) async fn carry(ssh: &mut SshChannel, guest: (GuestReader, GuestWriter), leftovers: &Semaphore) {
    let (mut reader, mut writer) = guest;
    let SshChannel { read, write, window, output_closed, .. } = ssh;
    let mut ingress = Ingress::new(window, output_closed);
    tokio::select! {
        // Whatever a guest says that has no place here ends the channel as a broken connection would.
        _broken_or_done = socket_output(&mut reader, write) => {}
        // A client closes as soon as it has sent everything: that is no reason to lose the rest of it.
        () = ingress.run(read, &mut writer) => if let Ok(_room) = leftovers.try_acquire() {
            let drained = async {
                tokio::select! {
                    // A socket that cannot write may not read either.
                    () = discard(&mut reader) => {}
                    _done_or_broken = ingress.drain(&mut writer) => {}
                }
            };
            drop(timeout(DRAIN, drained).await);
        }
    }
    // A client that is gone needs no close.
    drop(write.close().await);
}

/// Reads on until the guest closes.
async fn discard(reader: &mut GuestReader) {
    while let Ok(Some(_unwanted)) = reader.next().await {}
}

async fn socket_output(reader: &mut GuestReader, write: &ChannelWriteHalf<Msg>) -> Result<(), SocketEnd> {
    loop {
        match reader.next().await? {
            Some(Frame::Stdout(data)) => write.data_bytes(data).await?,
            Some(Frame::Message(FromGuest::StdoutEof)) => write.eof().await?,
            Some(Frame::Stdin(_) | Frame::Stderr(_) | Frame::Message(_)) | None => return Ok(()),
        }
    }
}

/// Why a socket's output ended early: one side or the other is gone.
#[derive(Debug, thiserror::Error)]
#[error("a socket's way ended")]
enum SocketEnd {
    Guest(#[from] io::Error),
    Client(#[from] russh::Error),
}

/// Copies output until the guest closes; gives the exit that it told.
async fn egress(
    reader: &mut GuestReader,
    write: &ChannelWriteHalf<Msg>,
    output_closed: &CancellationToken,
) -> io::Result<Option<Exit>> {
    let mut exit = None;
    while let Some(frame) = reader.next().await? {
        let sent = match frame {
            Frame::Stdout(data) => output_closed.run_until_cancelled(write.data_bytes(data)).await,
            // OpenSSH stops reading its standard output only: what goes to the other one is still read.
            Frame::Stderr(data) => Some(write.extended_data_bytes(1, data).await),
            Frame::Message(FromGuest::Exited(how)) if exit.is_none() => {
                exit = Some(how);
                None
            }
            Frame::Stdin(_)
            | Frame::Message(
                FromGuest::Hello(_)
                | FromGuest::Started
                | FromGuest::Failed(_)
                | FromGuest::Exited(_)
                | FromGuest::Listening(_)
                | FromGuest::Accepted { .. }
                | FromGuest::StdoutEof,
            ) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that is out of turn"));
            }
        };
        if let Some(Err(_gone)) = sent {
            // Ingress sees the client's end too, and ends the run with it.
            return std::future::pending().await;
        }
    }
    Ok(exit)
}

/// What came from the client and has not been taken by the guest yet.
struct Ingress<'a> {
    window: &'a mut Window,
    output_closed: &'a CancellationToken,
    messages: VecDeque<ToGuest>,
    data: VecDeque<Bytes>,
    end: End,
    /// Bytes of the frame that is being written.
    in_flight: usize,
}

/// Whether the guest's socket takes frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guest {
    Idle,
    Busy,
    Deaf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Due,
    Told,
}

impl<'a> Ingress<'a> {
    fn new(window: &'a mut Window, output_closed: &'a CancellationToken) -> Self {
        Self {
            window,
            output_closed,
            messages: VecDeque::new(),
            data: VecDeque::new(),
            end: End::Open,
            in_flight: 0,
        }
    }

    /// Ends when the client closed the channel. A guest that takes no more input may still have output and
    /// a status to give: from then on input is thrown away, as sshd does.
    async fn run(&mut self, read: &mut ChannelReadHalf, writer: &mut GuestWriter) {
        let mut guest = Guest::Idle;
        let mut output_open = true;
        loop {
            while guest != Guest::Busy
                && let Some(frame) = self.next_frame()
            {
                guest = match guest {
                    Guest::Idle if writer.queue(&frame).is_ok() => Guest::Busy,
                    Guest::Idle | Guest::Busy | Guest::Deaf => {
                        self.taken();
                        Guest::Deaf
                    }
                };
            }
            tokio::select! {
                message = read.wait() => match message {
                    Some(message) => if self.take(message) == Client::Closed { return },
                    None => return,
                },
                result = writer.flush(), if guest == Guest::Busy => {
                    guest = if result.is_ok() { Guest::Idle } else { Guest::Deaf };
                    self.taken();
                }
                () = self.output_closed.cancelled(), if output_open => {
                    output_open = false;
                    self.messages.push_back(ToGuest::OutputClosed);
                }
            }
        }
    }

    /// Gives the guest what it has not taken yet, and the end of it.
    async fn drain(&mut self, writer: &mut GuestWriter) -> io::Result<()> {
        if self.end == End::Open {
            self.end = End::Due;
        }
        writer.flush().await?;
        while let Some(frame) = self.next_frame() {
            writer.queue(&frame)?;
            writer.flush().await?;
        }
        Ok(())
    }

    fn take(&mut self, message: ChannelMsg) -> Client {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "russh's enum is open; the rest is not for a running program"
        )]
        match message {
            ChannelMsg::Data { data } if !data.is_empty() => self.keep(data),
            ChannelMsg::Eof if self.end == End::Open => self.end = End::Due,
            ChannelMsg::Close => return Client::Closed,
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                let size = window_size(col_width, row_height, pix_width, pix_height);
                // Only the newest size matters: a client that floods sizes holds one slot.
                self.messages.retain(|queued| !matches!(queued, ToGuest::Resize(_)));
                self.messages.push_back(ToGuest::Resize(size));
            }
            ChannelMsg::Signal { signal } => {
                if let Some(signal) = from_ssh(&signal)
                    && self.messages.len() < 64
                {
                    self.messages.push_back(ToGuest::Signal(signal));
                }
            }
            _ => {}
        }
        Client::Here
    }

    fn keep(&mut self, data: Bytes) {
        self.data.push_back(data);
        if self.data.len() > PIECES {
            let joined = self.data.make_contiguous().concat();
            self.data = VecDeque::from([joined.into()]);
        }
    }

    fn next_frame(&mut self) -> Option<Frame<ToGuest>> {
        if let Some(message) = self.messages.pop_front() {
            return Some(Frame::Message(message));
        }
        if let Some(data) = self.next_data() {
            self.in_flight = data.len();
            return Some(Frame::Stdin(data));
        }
        if self.end == End::Due {
            self.end = End::Told;
            return Some(Frame::Message(ToGuest::StdinEof));
        }
        None
    }

    /// The next piece of input: small ones joined, none above [`MAX_DATA`].
    fn next_data(&mut self) -> Option<Bytes> {
        let mut first = self.data.pop_front()?;
        if first.len() > MAX_DATA {
            self.data.push_front(first.split_off(MAX_DATA));
            return Some(first);
        }
        let fits = |data: &VecDeque<Bytes>, have: usize| {
            data.front().is_some_and(|next| have + next.len() <= MAX_DATA)
        };
        if !fits(&self.data, first.len()) {
            return Some(first);
        }
        let mut joined = BytesMut::from(first);
        while fits(&self.data, joined.len()) {
            joined.extend_from_slice(&self.data.pop_front()?);
        }
        Some(joined.freeze())
    }

    fn taken(&mut self) {
        self.window.free(std::mem::take(&mut self.in_flight));
    }
}

#[derive(PartialEq, Eq)]
enum Client {
    Here,
    Closed,
}

/// A size off the wire, cut to what a terminal can have.
pub(crate) fn window_size(columns: u32, rows: u32, pixel_width: u32, pixel_height: u32) -> WindowSize {
    let fit = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    WindowSize {
        columns: fit(columns),
        rows: fit(rows),
        pixel_width: fit(pixel_width),
        pixel_height: fit(pixel_height),
    }
}

/// Exit status or signal, end of file, close: in this order, on one path.
async fn tell_exit(write: &ChannelWriteHalf<Msg>, handle: &Handle, exit: &Exit) -> Result<(), ()> {
    match exit {
        Exit::Status(status) => write.exit_status(u32::from(*status)).await.map_err(drop)?,
        Exit::Signal { signal, core_dumped } => {
            handle
                .exit_signal_request(write.id(), to_ssh(*signal), *core_dumped, String::new(), String::new())
                .await?;
        }
    }
    write.eof().await.map_err(drop)?;
    write.close().await.map_err(drop)
}

fn to_ssh(signal: Signal) -> Sig {
    match signal {
        Signal::Abrt => Sig::ABRT,
        Signal::Alrm => Sig::ALRM,
        Signal::Fpe => Sig::FPE,
        Signal::Hup => Sig::HUP,
        Signal::Ill => Sig::ILL,
        Signal::Int => Sig::INT,
        Signal::Kill => Sig::KILL,
        Signal::Pipe => Sig::PIPE,
        Signal::Quit => Sig::QUIT,
        Signal::Segv => Sig::SEGV,
        Signal::Term => Sig::TERM,
        Signal::Usr1 => Sig::USR1,
        Signal::Usr2 => Sig::Custom("USR2".to_owned()),
        // OpenSSH's name for signals that RFC 4254 has none for.
        Signal::Other(_) => Sig::Custom("SIG@openssh.com".to_owned()),
    }
}

fn from_ssh(signal: &Sig) -> Option<Signal> {
    Some(match signal {
        Sig::ABRT => Signal::Abrt,
        Sig::ALRM => Signal::Alrm,
        Sig::FPE => Signal::Fpe,
        Sig::HUP => Signal::Hup,
        Sig::ILL => Signal::Ill,
        Sig::INT => Signal::Int,
        Sig::KILL => Signal::Kill,
        Sig::PIPE => Signal::Pipe,
        Sig::QUIT => Signal::Quit,
        Sig::SEGV => Signal::Segv,
        Sig::TERM => Signal::Term,
        Sig::USR1 => Signal::Usr1,
        Sig::Custom(name) if name == "USR2" => Signal::Usr2,
        // OpenSSH's INFO is the BSDs' ^T; Linux has none.
        Sig::Custom(_) => return None,
    })
}
