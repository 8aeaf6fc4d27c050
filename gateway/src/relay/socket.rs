//! Framed connections with a guest. Everything read here is hostile: bounded, and waited for with a deadline.

use std::io;
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use spaces_protocol::frame::{Frame, FromGuest, MAX_FRAME, ToGuest};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

/// A guest that has nothing to say is patient; one that owes an answer gets this long.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

pub(crate) struct GuestReader(FramedRead<OwnedReadHalf, LengthDelimitedCodec>);

/// Writes the codec's form itself: the codec would copy every byte once more.
pub(crate) struct GuestWriter {
    socket: OwnedWriteHalf,
    queued: Chain<Bytes, Bytes>,
}

/// The two directions of a connection that a guest made.
pub(crate) fn framed(stream: UnixStream) -> (GuestReader, GuestWriter) {
    let codec = || LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec();
    let (read, write) = stream.into_split();
    (
        GuestReader(FramedRead::new(read, codec())),
        GuestWriter { socket: write, queued: Bytes::new().chain(Bytes::new()) },
    )
}

/// The connection again, for another thread's reactor. A guest that said more than it was asked for is refused.
pub(crate) fn unframed(
    reader: GuestReader,
    writer: GuestWriter,
) -> io::Result<std::os::unix::net::UnixStream> {
    let parts = reader.0.into_parts();
    if !parts.read_buf.is_empty() || writer.queued.has_remaining() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes before their time"));
    }
    parts.io.reunite(writer.socket).map_err(io::Error::other)?.into_std()
}

impl GuestReader {
    /// The next frame; `None` when the guest closed. Safe to drop: nothing is lost between frames.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame<FromGuest>>> {
        let Some(bytes) = self.0.next().await.transpose()? else {
            return Ok(None);
        };
        Frame::decode(bytes.freeze())
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
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
    /// Sends a message, within [`ANSWER`]: a guest that reads nothing must not hold us.
    pub(crate) async fn message(&mut self, message: ToGuest) -> io::Result<()> {
        let sent = async {
            self.queue(&Frame::Message(message))?;
            self.flush().await
        };
        timeout(ANSWER, sent).await?
    }

    /// Takes a frame to write. Stream bytes are not copied.
    pub(crate) fn queue(&mut self, frame: &Frame<ToGuest>) -> io::Result<()> {
        let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        // A stream's frame is what an empty one is, and then the bytes.
        let (head, data) = match frame {
            Frame::Stdin(data) => (Frame::Stdin(Bytes::new()), data.clone()),
            Frame::Stdout(data) => (Frame::Stdout(Bytes::new()), data.clone()),
            Frame::Stderr(data) => (Frame::Stderr(Bytes::new()), data.clone()),
            Frame::Message(message) => (Frame::Message(message.clone()), Bytes::new()),
        };
        let head = head.encode().map_err(broken)?;
        let length = head.len() + data.len();
        if length > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that is too long"));
        }
        let length = u32::try_from(length).map_err(io::Error::other)?.to_be_bytes();
        self.queued = Bytes::from([&length, head.as_ref()].concat()).chain(data);
        Ok(())
    }

    /// Writes out what is queued. Safe to drop and call again: what is left stays queued.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.socket.write_all_buf(&mut self.queued).await
    }
}
