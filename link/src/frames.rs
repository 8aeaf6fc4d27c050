//! The two directions of a connection, as frames.

use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use spaces_protocol::frame::{Frame, MAX_FRAME, Message, Stream};
use tokio::io::AsyncWriteExt as _;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::ear::Ear;
use crate::mouth::Mouth;

/// Frames that the other end sends: their messages are of type `T`.
pub struct Reader<T> {
    frames: FramedRead<Ear, LengthDelimitedCodec>,
    messages: PhantomData<T>,
}

/// Frames to the other end. Dropping it tells that end that no more come.
pub struct Writer<T> {
    mouth: Mouth,
    /// What is left of the frame that is being written: its head, and a stream's bytes, which are not copied.
    queued: (Bytes, Bytes),
    messages: PhantomData<T>,
}

/// Takes a connection over, to be used on this thread's runtime.
pub fn split<T: Message, U: Message>(stream: UnixStream) -> io::Result<(Reader<T>, Writer<U>)> {
    stream.set_nonblocking(true)?;
    let socket = Arc::new(OwnedFd::from(stream));
    let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec();
    let frames = FramedRead::new(Ear::new(Arc::clone(&socket))?, codec);
    let writer = Writer { mouth: Mouth::new(socket), queued: <_>::default(), messages: PhantomData };
    Ok((Reader { frames, messages: PhantomData }, writer))
}

/// The connection again, for another thread or process, where nothing of it was read or is to be written but whole
/// frames.
pub fn rejoin<T, U>(reader: Reader<T>, writer: Writer<U>) -> io::Result<UnixStream> {
    let parts = reader.frames.into_parts();
    let mid_frame = !parts.read_buf.is_empty() || writer.is_busy();
    writer.mouth.leave();
    if mid_frame {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes before their time"));
    }
    let socket = parts.io.into_socket();
    Ok(Arc::try_unwrap(socket).or_else(|shared| shared.try_clone())?.into())
}

impl<T: Message> Reader<T> {
    /// The next frame; `None` when the other end has closed. Dropping the wait loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<Frame<T>>> {
        let Some(bytes) = self.frames.next().await.transpose()? else {
            return Ok(None);
        };
        Frame::decode(bytes.freeze()).map(Some).map_err(invalid)
    }
}

impl<T> Reader<T> {
    /// The connection's own descriptor once more.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.frames.get_ref().socket().try_clone()
    }
}

impl<T: Message> Writer<T> {
    /// Takes a frame to write. Stream bytes are not copied.
    pub fn queue(&mut self, frame: Frame<T>) -> io::Result<()> {
        self.queued = frame.into_wire().map_err(invalid)?;
        Ok(())
    }

    /// Writes out what is queued. Safe to drop and call again: what is left stays queued.
    pub async fn flush(&mut self) -> io::Result<()> {
        let (head, body) = &mut self.queued;
        self.mouth.write_all_buf(&mut head.chain(body)).await
    }

    /// Sends a message. Not to be dropped: half a frame may have gone out.
    pub async fn send(&mut self, message: T) -> io::Result<()> {
        self.queue(Frame::Message(message))?;
        self.flush().await
    }

    /// Sends bytes of a stream, which are not copied. Not to be dropped: half a frame may have gone out.
    pub async fn send_data(&mut self, stream: Stream, data: &[u8]) -> io::Result<()> {
        let head = stream.head(data.len()).map_err(invalid)?;
        self.mouth.write_all_buf(&mut head.as_slice().chain(data)).await
    }
}

impl<T> Writer<T> {
    fn is_busy(&self) -> bool {
        let (head, body) = &self.queued;
        head.has_remaining() || body.has_remaining()
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
