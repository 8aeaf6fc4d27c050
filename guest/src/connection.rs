//! One connection to the gateway, as frames.
//!
//! Reading is cancel-safe; writing is not: a dropped [`FrameWriter::send`] may have sent half a frame, and the
//! connection is of no use then.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use spaces_protocol::frame::{Frame, FrameError, FromGuest, Hello, MAX_FRAME, ToGuest};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::descriptor;

/// Why a connection is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The socket.
    #[error("connection to the gateway: {0}")]
    Socket(#[from] io::Error),
    /// Bytes that are no frame, or a message too large for one.
    #[error("connection to the gateway: {0}")]
    Frame(#[from] FrameError),
    /// A frame that has no place here.
    #[error("the gateway sent a frame out of turn")]
    OutOfTurn,
}

/// Which of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Frames from the gateway.
pub(crate) struct FrameReader {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    hangup: Option<AsyncFd<OwnedFd>>,
}

/// Frames to the gateway.
pub(crate) struct FrameWriter(OwnedWriteHalf);

/// Connects and says what for.
pub(crate) async fn dial(socket: &Path, hello: Hello) -> Result<(FrameReader, FrameWriter), ConnectionError> {
    let (read, write) = UnixStream::connect(socket).await?.into_split();
    let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec();
    let mut writer = FrameWriter(write);
    writer.send(FromGuest::Hello(hello)).await?;
    Ok((FrameReader { frames: FramedRead::new(read, codec), hangup: None }, writer))
}

impl FrameReader {
    /// The next frame; `None` when the gateway has closed.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame<ToGuest>>, ConnectionError> {
        match self.frames.next().await {
            Some(bytes) => Ok(Some(Frame::decode(bytes?.freeze())?)),
            None => Ok(None),
        }
    }

    /// Waits until the gateway has closed, without reading what it sent before.
    ///
    /// Through a second descriptor: the first one's readiness belongs to the frames.
    pub(crate) async fn hung_up(&mut self) -> io::Result<()> {
        let watch = if let Some(watch) = self.hangup.take() {
            watch
        } else {
            descriptor::watch(descriptor_of(self)?, Interest::READABLE)?
        };
        let watch = self.hangup.insert(watch);
        loop {
            let mut ready = watch.readable().await?;
            if ready.ready().is_read_closed() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }
}

/// The connection's own descriptor once more, for a process that takes it over.
pub(crate) fn descriptor_of(frames: &FrameReader) -> io::Result<OwnedFd> {
    let stream: &UnixStream = frames.frames.get_ref().as_ref();
    stream.as_fd().try_clone_to_owned()
}

/// Lets go of a connection that another process has taken over. Merely dropping it would end it for that one too.
pub(crate) fn leave(frames: FrameReader, writer: FrameWriter) {
    drop(frames.frames.into_inner().reunite(writer.0));
}

impl FrameWriter {
    /// Sends a message.
    pub(crate) async fn send(&mut self, message: FromGuest) -> Result<(), ConnectionError> {
        let frame = Frame::Message(message).encode()?;
        self.write(&frame, &[]).await
    }

    /// Sends bytes of a stream, at most [`spaces_protocol::frame::MAX_DATA`]. Copies none of them.
    pub(crate) async fn send_data(&mut self, stream: Stream, data: &[u8]) -> Result<(), ConnectionError> {
        // A stream's frame is what an empty one is, and then the bytes.
        let empty = match stream {
            Stream::Stdout => Frame::<FromGuest>::Stdout(Bytes::new()),
            Stream::Stderr => Frame::<FromGuest>::Stderr(Bytes::new()),
        };
        self.write(&empty.encode()?, data).await
    }

    async fn write(&mut self, head: &[u8], body: &[u8]) -> Result<(), ConnectionError> {
        let length = u32::try_from(head.len() + body.len()).map_err(io::Error::other)?.to_be_bytes();
        let mut frame = length.as_slice().chain(head).chain(body);
        Ok(self.0.write_all_buf(&mut frame).await?)
    }
}
