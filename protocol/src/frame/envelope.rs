//! A frame on the wire: a length prefix of four bytes, one byte of kind, and a body, which is raw bytes for the three
//! streams and postcard for messages.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FromGuest, MAX_FRAME, ToGuest};

/// One frame. `T` is the typed message of the direction: [`ToGuest`] or [`FromGuest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<T> {
    /// Bytes for the program's standard input.
    Stdin(Bytes),
    /// Bytes of its standard output, or of its terminal.
    Stdout(Bytes),
    /// Bytes of its standard error; none where it has a terminal.
    Stderr(Bytes),
    /// Anything that is not a stream's bytes.
    Message(T),
}

/// A typed message of one direction.
pub trait Message: Serialize + DeserializeOwned {}

impl Message for ToGuest {}
impl Message for FromGuest {}

/// Which of a program's streams a frame's bytes are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard input.
    Stdin,
    /// Standard output, or the terminal's.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// No kind byte, or an unknown one.
    #[error("frame of unknown kind")]
    Kind,
    /// More than [`MAX_FRAME`].
    #[error("a frame that is too long")]
    TooLong,
    /// A message that does not decode, or cannot be encoded.
    #[error("malformed message in a frame")]
    Message(#[from] postcard::Error),
}

const KIND_MESSAGE: u8 = 0;
const KIND_STDIN: u8 = 1;
const KIND_STDOUT: u8 = 2;
const KIND_STDERR: u8 = 3;

/// Bytes of the length prefix.
pub const LENGTH: usize = 4;

/// What goes before a frame's body: how long they are together but for the length itself, and the kind.
fn head(kind: u8, body: usize) -> Result<[u8; LENGTH + 1], FrameError> {
    let length = body + 1;
    let fits = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME).ok_or(FrameError::TooLong)?;
    let [a, b, c, d] = fits.to_be_bytes();
    Ok([a, b, c, d, kind])
}

impl Stream {
    /// The beginning of a frame with so many bytes of this stream, length prefix included.
    pub fn head(self, bytes: usize) -> Result<[u8; LENGTH + 1], FrameError> {
        let kind = match self {
            Self::Stdin => KIND_STDIN,
            Self::Stdout => KIND_STDOUT,
            Self::Stderr => KIND_STDERR,
        };
        head(kind, bytes)
    }
}

impl<T: Message> Frame<T> {
    /// The frame as it goes onto the wire, length prefix included, in two parts: a stream's bytes are not copied.
    pub fn into_wire(self) -> Result<(Bytes, Bytes), FrameError> {
        let (stream, data) = match self {
            Self::Message(message) => {
                let body = postcard::to_stdvec(&message)?;
                let mut whole = BytesMut::with_capacity(LENGTH + 1 + body.len());
                whole.put_slice(&head(KIND_MESSAGE, body.len())?);
                whole.put_slice(&body);
                return Ok((whole.freeze(), Bytes::new()));
            }
            Self::Stdin(data) => (Stream::Stdin, data),
            Self::Stdout(data) => (Stream::Stdout, data),
            Self::Stderr(data) => (Stream::Stderr, data),
        };
        Ok((Bytes::copy_from_slice(&stream.head(data.len())?), data))
    }

    /// Reads one frame from what follows a length prefix. Copies no stream bytes.
    pub fn decode(mut bytes: Bytes) -> Result<Self, FrameError> {
        let Some(&kind) = bytes.first() else {
            return Err(FrameError::Kind);
        };
        let body = bytes.split_off(1);
        match kind {
            KIND_MESSAGE => Ok(Self::Message(postcard::from_bytes(&body)?)),
            KIND_STDIN => Ok(Self::Stdin(body)),
            KIND_STDOUT => Ok(Self::Stdout(body)),
            KIND_STDERR => Ok(Self::Stderr(body)),
            _ => Err(FrameError::Kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Program, Start, Task, Terminal, WindowSize};

    /// What the codec cuts out at the other end.
    fn carried<T: Message>(frame: Frame<T>) -> Bytes {
        let (head, body) = frame.into_wire().unwrap();
        let mut whole = Bytes::from([head, body].concat());
        let length = whole.split_to(LENGTH);
        assert_eq!(length[..], u32::try_from(whole.len()).unwrap().to_be_bytes());
        whole
    }

    proptest! {
        #[test]
        fn a_stream_frame_comes_back_as_it_went(data in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let frame: Frame<FromGuest> = Frame::Stdout(data.into());
            prop_assert_eq!(Frame::decode(carried(frame.clone())).unwrap(), frame);
        }

        #[test]
        fn hostile_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..512)) {
            let bytes = Bytes::from(data);
            drop(Frame::<FromGuest>::decode(bytes.clone()));
            drop(Frame::<ToGuest>::decode(bytes));
        }
    }

    #[test]
    fn a_message_frame_comes_back_as_it_went() {
        let start = ToGuest::Begin(Task::Run(Start {
            program: Program::Command(b"printf '\\xff'".to_vec()),
            user: "space".to_owned(),
            environment: vec![("LANG".to_owned(), "C".to_owned())],
            terminal: Some(Terminal {
                term: "xterm".to_owned(),
                size: WindowSize::default(),
                modes: vec![(53, 1)],
            }),
        }));
        let frame = Frame::Message(start);
        assert_eq!(Frame::decode(carried(frame.clone())).unwrap(), frame);
    }

    #[test]
    fn a_frame_that_no_reader_takes_is_not_written() {
        let most = MAX_FRAME - 1;
        assert!(Stream::Stdin.head(most).is_ok());
        assert!(matches!(Stream::Stdin.head(most + 1), Err(FrameError::TooLong)));
        let long = FromGuest::Failed("x".repeat(MAX_FRAME));
        assert!(matches!(Frame::Message(long).into_wire(), Err(FrameError::TooLong)));
    }

    #[test]
    fn an_empty_frame_and_an_unknown_kind_are_refused() {
        assert!(Frame::<FromGuest>::decode(Bytes::new()).is_err());
        assert!(Frame::<FromGuest>::decode(Bytes::from_static(&[9, 1, 2])).is_err());
    }
}
