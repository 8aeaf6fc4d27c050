//! One SSH channel joined to one guest channel: bytes in, bytes out, and control, until both ends agree.
//!
//! ```text
//! client -> ingress -> guest    window is granted as the guest's socket takes the bytes, not as they arrive
//! client <- egress  <- guest    the client's window holds the guest back
//! ```

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use russh::server::{Handle, Msg};
use russh::{ChannelReadHalf, ChannelWriteHalf, Sig};
use spaces_protocol::frame::{Exit, Frame, FromGuest, Showing, Signal, Task, ToGuest};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::door::Notices;
use super::ingress::Ingress;
use super::socket::{GuestReader, GuestWriter};
use super::window::Window;

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

impl SshChannel {
    /// Waits until the client has closed the channel too: only then is it over, and its place free for another. The
    /// connection's end ends this wait.
    pub(crate) async fn until_closed(&mut self) {
        while self.read.wait().await.is_some() {}
    }
}

/// What a guest made of a task.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The program runs.
    Started,
    /// A terminal that is held is shown.
    Showing(Showing),
}

/// How a program in a Space came to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It ran, and the client has been told how it ended.
    Exited,
    /// Its terminal is held, and somebody else has it now.
    Taken,
    /// The client went away first.
    ClientGone,
    /// It could not be started.
    NotStarted(String),
    /// The guest, or the way to it, broke.
    GuestLost(io::Error),
}

/// Has a guest begin with a task that ends in output.
pub(crate) async fn begin(guest: &mut (GuestReader, GuestWriter), task: Task) -> Result<Begun, Ended> {
    let (reader, writer) = guest;
    writer.message(ToGuest::Begin(task)).await.map_err(Ended::GuestLost)?;
    match reader.message().await {
        Ok(FromGuest::Started) => Ok(Begun::Started),
        Ok(FromGuest::Showing(showing)) => Ok(Begun::Showing(showing)),
        Ok(FromGuest::Failed(text)) => Err(Ended::NotStarted(text)),
        Ok(_out_of_turn) => Err(Ended::GuestLost(io::ErrorKind::InvalidData.into())),
        Err(error) => Err(Ended::GuestLost(error)),
    }
}

/// Pumps until the program that was begun has ended and its output is with the client. Does not close the channel,
/// unless the program exited.
pub(crate) async fn run(
    ssh: &mut SshChannel,
    guest: (GuestReader, GuestWriter),
    telling: Telling,
    notices: Option<Notices>,
) -> Ended {
    let (mut reader, mut writer) = guest;
    let SshChannel { read, write, handle, window, output_closed } = ssh;
    let mut ingress = Ingress::new(window, output_closed);
    let exit = tokio::select! {
        exit = egress(&mut reader, write, output_closed) => exit,
        () = ingress.run(read, &mut writer) => return Ended::ClientGone,
        gone = announce(notices, write) => match gone {},
    };
    match exit {
        Ok(Some(Outcome::Taken)) => Ended::Taken,
        Ok(Some(Outcome::Exited(exit))) => match tell_exit(write, handle, &telling.of(exit)).await {
            Ok(()) => Ended::Exited,
            Err(_closed) => Ended::ClientGone,
        },
        Ok(None) => Ended::GuestLost(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Ended::GuestLost(error),
    }
}

/// Shows what people in the Space are to be told, amid whatever is on their terminals, as wall(1) does.
async fn announce(notices: Option<Notices>, write: &ChannelWriteHalf<Msg>) -> Infallible {
    let Some(mut notices) = notices else { return std::future::pending().await };
    while notices.changed().await.is_ok() {
        let text = format!("\r\n{}\r\n", *notices.borrow_and_update());
        if write.data_bytes(text.into_bytes()).await.is_err() {
            break;
        }
    }
    // The Space's end, or the client's, is seen elsewhere.
    std::future::pending().await
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

/// How a client is told that a signal ended the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// As sshd does: ssh then ends with 255, as where the connection was lost.
    AsSignal,
    /// As a shell does: 128 and the signal's number. Who comes back to lost sessions has to know the difference.
    AsStatus,
}

impl Telling {
    fn of(self, exit: Exit) -> Exit {
        match (self, exit) {
            (Self::AsStatus, Exit::Signal { signal, .. }) => {
                Exit::Status(128_u8.saturating_add(number(signal)))
            }
            (_, exit) => exit,
        }
    }
}

/// As Linux has them.
fn number(signal: Signal) -> u8 {
    match signal {
        Signal::Hup => 1,
        Signal::Int => 2,
        Signal::Quit => 3,
        Signal::Ill => 4,
        Signal::Abrt => 6,
        Signal::Fpe => 8,
        Signal::Kill => 9,
        Signal::Usr1 => 10,
        Signal::Segv => 11,
        Signal::Usr2 => 12,
        Signal::Pipe => 13,
        Signal::Alrm => 14,
        Signal::Term => 15,
        Signal::Other(number) => number,
    }
}

/// How a guest said that output ends.
enum Outcome {
    Exited(Exit),
    Taken,
}

/// Copies output until the guest closes; gives the end that it told.
async fn egress(
    reader: &mut GuestReader,
    write: &ChannelWriteHalf<Msg>,
    output_closed: &CancellationToken,
) -> io::Result<Option<Outcome>> {
    let mut outcome = None;
    while let Some(frame) = reader.next().await? {
        let sent = match frame {
            Frame::Stdout(data) => output_closed.run_until_cancelled(write.data_bytes(data)).await,
            // OpenSSH stops reading its standard output only: what goes to the other one is still read.
            Frame::Stderr(data) => Some(write.extended_data_bytes(1, data).await),
            Frame::Message(FromGuest::Exited(how)) if outcome.is_none() => {
                outcome = Some(Outcome::Exited(how));
                None
            }
            Frame::Message(FromGuest::Taken) if outcome.is_none() => {
                outcome = Some(Outcome::Taken);
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
                | FromGuest::StdoutEof
                | FromGuest::Showing(_)
                | FromGuest::Taken
                | FromGuest::Sessions(_)
                | FromGuest::SessionEnded
                | FromGuest::Jobs(_),
            ) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that is out of turn"));
            }
        };
        if let Some(Err(_gone)) = sent {
            // Ingress sees the client's end too, and ends the run with it.
            return std::future::pending().await;
        }
    }
    Ok(outcome)
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
