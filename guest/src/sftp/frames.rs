//! A channel's connection, as frames, by a process that waits for them.

use std::io::{self, BufReader, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use spaces_protocol::frame::{Exit, Frame, FromGuest, MAX_DATA, MAX_FRAME, Stream, ToGuest};

use super::invalid;

/// How long the gateway may take to close after us.
const LINGER: Duration = Duration::from_secs(2);

/// Frames both ways.
pub(crate) struct Frames {
    socket: UnixStream,
    input: BufReader<UnixStream>,
}

/// What came from the gateway.
pub(crate) enum Incoming {
    Data(Bytes),
    /// No more comes.
    End,
    /// The gateway has closed.
    Gone,
}

impl Frames {
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        Ok(Self { input: BufReader::new(socket.try_clone()?), socket })
    }

    /// The next bytes, or the end of them.
    pub(crate) fn next(&mut self) -> io::Result<Incoming> {
        loop {
            let mut length = [0; 4];
            match self.input.read_exact(&mut length) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Incoming::Gone),
                outcome => outcome?,
            }
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            if length > MAX_FRAME {
                return Err(invalid("a frame that is too long"));
            }
            let mut frame = BytesMut::zeroed(length);
            self.input.read_exact(&mut frame)?;
            match Frame::decode(frame.freeze()).map_err(invalid)? {
                Frame::Stdin(data) => return Ok(Incoming::Data(data)),
                Frame::Message(ToGuest::StdinEof) => return Ok(Incoming::End),
                // There is no terminal, and no program that a signal is for; that nobody reads any more shows
                // with the next answer.
                Frame::Message(ToGuest::Resize(_) | ToGuest::Signal(_) | ToGuest::OutputClosed) => {}
                Frame::Message(ToGuest::Open { .. } | ToGuest::Begin(_) | ToGuest::Held(_))
                | Frame::Stdout(_)
                | Frame::Stderr(_) => return Err(invalid("a frame out of turn")),
            }
        }
    }

    /// Sends bytes, and forgets them.
    pub(crate) fn send(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        for piece in bytes.chunks(MAX_DATA) {
            self.write(&Stream::Stdout.head(piece.len()).map_err(invalid)?, piece)?;
        }
        bytes.clear();
        Ok(())
    }

    pub(crate) fn started(&mut self) -> io::Result<()> {
        self.message(FromGuest::Started)
    }

    /// Tells how it ended, and waits until the gateway has closed, so that it reads that. Closing at once, with its
    /// bytes unread, would reach it as an error.
    pub(crate) fn exited(&mut self, status: u8) -> io::Result<()> {
        self.message(FromGuest::Exited(Exit::Status(status)))?;
        self.socket.shutdown(Shutdown::Write)?;
        self.socket.set_read_timeout(Some(LINGER))?;
        let deadline = Instant::now() + LINGER;
        let mut unread = [0; 4096];
        while Instant::now() < deadline && matches!(self.input.read(&mut unread), Ok(1..)) {}
        Ok(())
    }

    fn message(&mut self, message: FromGuest) -> io::Result<()> {
        let (head, body) = Frame::Message(message).into_wire().map_err(invalid)?;
        self.write(&head, &body)
    }

    /// Copies nothing: head and bytes go out of where they are.
    fn write(&mut self, head: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut slices = [IoSlice::new(head), IoSlice::new(bytes)];
        let mut left = slices.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match self.socket.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
