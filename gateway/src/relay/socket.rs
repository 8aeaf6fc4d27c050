//! Framed connections with a guest. Everything read here is hostile: bounded, and waited for with a deadline.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use spaces_link::{Reader, Writer};
use spaces_protocol::frame::{Frame, FromGuest, ToGuest};
use tokio::time::timeout;

use super::traffic::Traffic;

/// A guest that has nothing to say is patient; one that owes an answer gets this long.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

pub(crate) struct GuestReader {
    frames: Reader<FromGuest>,
    traffic: Traffic,
}

pub(crate) struct GuestWriter {
    frames: Writer<ToGuest>,
    traffic: Traffic,
}

/// The two directions of a connection that a guest made, with whoever counts what they carry.
pub(crate) fn framed(stream: UnixStream, traffic: &Traffic) -> io::Result<(GuestReader, GuestWriter)> {
    let (reader, writer) = spaces_link::split(stream)?;
    Ok((
        GuestReader { frames: reader, traffic: traffic.clone() },
        GuestWriter { frames: writer, traffic: traffic.clone() },
    ))
}

/// The connection again, for another thread's reactor. A guest that said more than it was asked for is refused.
pub(crate) fn unframed(reader: GuestReader, writer: GuestWriter) -> io::Result<UnixStream> {
    spaces_link::rejoin(reader.frames, writer.frames)
}

impl GuestReader {
    /// The next frame; `None` when the guest closed. Safe to drop: nothing is lost between frames.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame<FromGuest>>> {
        let frame = self.frames.next().await?;
        if let Some(Frame::Stdin(_) | Frame::Stdout(_) | Frame::Stderr(_)) = frame {
            self.traffic.pass();
        }
        Ok(frame)
    }

    /// The next message, within [`ANSWER`].
    pub(crate) async fn message(&mut self) -> io::Result<FromGuest> {
        timeout(ANSWER, self.message_some_time()).await?
    }

    /// The next message, whenever it comes. Stream bytes have no place here.
    pub(crate) async fn message_some_time(&mut self) -> io::Result<FromGuest> {
        match self.next().await {
            Ok(Some(Frame::Message(message))) => Ok(message),
            Ok(Some(Frame::Stdin(_) | Frame::Stdout(_) | Frame::Stderr(_))) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "stream bytes where a message was due"))
            }
            Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => Err(error),
        }
    }
}

impl GuestWriter {
    /// Sends a message, within [`ANSWER`]: a guest that reads nothing must not hold us. After a failure the connection
    /// is of no use, for half of the message may have gone out.
    pub(crate) async fn message(&mut self, message: ToGuest) -> io::Result<()> {
        timeout(ANSWER, self.frames.send(message)).await?
    }

    /// Takes a frame to write. Stream bytes are not copied.
    pub(crate) fn queue(&mut self, frame: Frame<ToGuest>) -> io::Result<()> {
        if let Frame::Stdin(_) | Frame::Stdout(_) | Frame::Stderr(_) = frame {
            self.traffic.pass();
        }
        self.frames.queue(frame)
    }

    /// Writes out what is queued. Safe to drop and call again: what is left stays queued.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.frames.flush().await
    }
}
