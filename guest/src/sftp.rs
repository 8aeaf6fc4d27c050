//! `spaces-guest --sftp`: a process of its own for each SFTP channel, as that channel's user. What that user may
//! not do, the kernel refuses; no image needs an SFTP server.
//!
//! ```text
//! gateway <== frames on standard input, a socket ==> this process --> files
//! ```
//!
//! It takes the channel's connection over, so that no byte of a file passes process 1. It blocks: there is one
//! client, whose answers it has to take before it is served on.

mod answer;
mod cursor;
mod files;
mod frames;
mod handles;
mod listing;
mod request;
mod session;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use bytes::{Buf, BytesMut};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use frames::{Frames, Incoming};
use session::{MAX_PACKET, Session};

/// The argument that makes the program this one.
pub(crate) const ARGUMENT: &str = "--sftp";

/// Answers that are gathered before they are sent.
const GATHER: usize = 64 * 1024;

/// Serves the channel on standard input to its end.
pub(crate) fn serve() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let flags = OFlag::from_bits_retain(fcntl(&socket, FcntlArg::F_GETFL)?);
    fcntl(&socket, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    let mut frames = Frames::new(socket)?;
    frames.started()?;
    match answer_all(&mut frames) {
        Ok(End::Client) => frames.exited(0),
        Ok(End::Gateway) => Ok(()),
        // A client that does not speak the protocol; the gateway would take a mere end for a Space that went away.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            frames.exited(1)?;
            Err(error)
        }
        // The gateway closed while something was on its way: whoever would have read it is gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error),
    }
}

/// Who ended a session.
enum End {
    Client,
    Gateway,
}

fn answer_all(frames: &mut Frames) -> io::Result<End> {
    let mut session = Session::new();
    let mut input = BytesMut::new();
    loop {
        while let Some(packet) = next_packet(&mut input)? {
            session.packet(&packet).map_err(invalid)?;
            if session.answers.bytes.len() >= GATHER {
                frames.send(&mut session.answers.bytes)?;
            }
        }
        frames.send(&mut session.answers.bytes)?;
        match frames.next()? {
            Incoming::Data(data) => input.extend_from_slice(&data),
            Incoming::End => return Ok(End::Client),
            Incoming::Gone => return Ok(End::Gateway),
        }
    }
}

/// The next whole packet, without its length.
fn next_packet(input: &mut BytesMut) -> io::Result<Option<BytesMut>> {
    let Some(length) = input.first_chunk() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_PACKET {
        return Err(invalid("an SFTP packet that is too long"));
    }
    if input.len() < 4 + length {
        return Ok(None);
    }
    input.advance(4);
    Ok(Some(input.split_to(length)))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
