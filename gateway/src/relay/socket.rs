//! Framed connections with a guest. Everything read here is hostile: bounded, and waited for with a deadline.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt as _};
use spaces_protocol::frame::{Frame, FromGuest, MAX_FRAME, ToGuest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

/// A guest that has nothing to say is patient; one that owes an answer gets this long.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

pub(crate) struct GuestReader(FramedRead<OwnedReadHalf, LengthDelimitedCodec>);

pub(crate) struct GuestWriter(FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>);

/// The two directions of a connection that a guest made.
pub(crate) fn framed(stream: UnixStream) -> (GuestReader, GuestWriter) {
    let codec = || LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec();
    let (read, write) = stream.into_split();
    (GuestReader(FramedRead::new(read, codec())), GuestWriter(FramedWrite::new(write, codec())))
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

    /// The next message, within [`ANSWER`]. Stream bytes have no place here.
    pub(crate) async fn message(&mut self) -> io::Result<FromGuest> {
        match timeout(ANSWER, self.next()).await? {
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
            self.queue(&Frame::Message(message)).await?;
            self.flush().await
        };
        timeout(ANSWER, sent).await?
    }

    /// Puts a frame into the buffer. Does not wait if the last one was flushed.
    pub(crate) async fn queue(&mut self, frame: &Frame<ToGuest>) -> io::Result<()> {
        let bytes = frame.encode().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.0.feed(bytes).await
    }

    /// Writes the buffer out. Safe to drop and call again: the codec keeps what is left.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        SinkExt::<Bytes>::flush(&mut self.0).await
    }
}
