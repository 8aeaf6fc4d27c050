//! One connection to the gateway, as frames.
//!
//! Reading is cancel-safe; writing is not: a dropped [`FrameWriter::send`] may have sent half a frame, and the
//! connection is of no use then.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use spaces_link::{Reader, Watched, Writer, rejoin, split, watch};
use spaces_protocol::frame::{self, Frame, FromGuest, Hello, ToGuest};
use tokio::io::Interest;

/// Why a connection is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The socket.
    #[error("connection to the gateway: {0}")]
    Socket(#[source] io::Error),
    /// Bytes that are no frame, or a message too large for one.
    #[error("connection to the gateway: {0}")]
    Frame(#[source] io::Error),
    /// A frame that has no place here.
    #[error("the gateway sent a frame out of turn")]
    OutOfTurn,
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::Frame(error) } else { Self::Socket(error) }
    }
}

/// Which of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Frames from the gateway.
pub(crate) struct FrameReader {
    frames: Reader<ToGuest>,
    hangup: Option<Watched>,
}

/// Frames to the gateway.
pub(crate) struct FrameWriter(Writer<FromGuest>);

/// Connects and says what for.
pub(crate) async fn dial(socket: &Path, hello: Hello) -> Result<(FrameReader, FrameWriter), ConnectionError> {
    let (frames, writer) = split(connect_now(socket)?)?;
    let mut writer = FrameWriter(writer);
    writer.send(FromGuest::Hello(hello)).await?;
    Ok((FrameReader { frames, hangup: None }, writer))
}

/// Connects without a wait: whoever listens has room at once, or it fails with [`io::ErrorKind::WouldBlock`].
pub(crate) fn connect_now(path: &Path) -> io::Result<UnixStream> {
    connect_to(&UnixAddr::new(path)?)
}

/// The same by an address.
pub(crate) fn connect_to(address: &UnixAddr) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), address)?;
    Ok(socket.into())
}

impl FrameReader {
    /// The next frame; `None` when the gateway has closed.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame<ToGuest>>, ConnectionError> {
        Ok(self.frames.next().await?)
    }

    /// Waits until the gateway has closed, without reading what it sent before.
    ///
    /// Through a second descriptor: the first one's readiness belongs to the frames.
    pub(crate) async fn hung_up(&mut self) -> io::Result<()> {
        let watched = match self.hangup.take() {
            Some(watched) => watched,
            None => watch(Arc::new(self.frames.descriptor()?), Interest::READABLE)?,
        };
        let watched = self.hangup.insert(watched);
        loop {
            let mut ready = watched.readable().await?;
            if ready.ready().is_read_closed() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }
}

/// The connection's own descriptor once more, for a process that takes it over.
pub(crate) fn descriptor_of(frames: &FrameReader) -> io::Result<OwnedFd> {
    frames.frames.descriptor()
}

/// Lets go of a connection that another process has taken over. Merely dropping it would end it for that one too.
pub(crate) fn leave(frames: FrameReader, writer: FrameWriter) {
    drop(rejoin(frames.frames, writer.0));
}

impl FrameWriter {
    /// Sends a message.
    pub(crate) async fn send(&mut self, message: FromGuest) -> Result<(), ConnectionError> {
        Ok(self.0.send(message).await?)
    }

    /// Sends bytes of a stream, at most [`frame::MAX_DATA`]. Copies none of them.
    pub(crate) async fn send_data(&mut self, stream: Stream, data: &[u8]) -> Result<(), ConnectionError> {
        let stream = match stream {
            Stream::Stdout => frame::Stream::Stdout,
            Stream::Stderr => frame::Stream::Stderr,
        };
        Ok(self.0.send_data(stream, data).await?)
    }
}
