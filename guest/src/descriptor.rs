//! One end of a program's pipe or terminal, without blocking.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd;
use spaces_link::{Watched, watch};
use tokio::io::Interest;

use crate::buffers::{Buffer, Buffers};

/// A descriptor that this process has and the program does not.
pub(crate) struct Descriptor(Watched);

/// What one look at a descriptor gave.
pub(crate) enum Read {
    /// At least one byte.
    Piece(Buffer),
    /// Nothing now; more may come.
    Nothing,
    /// Nothing any more.
    End,
}

impl Descriptor {
    /// Takes the descriptor over. Its description must be ours alone: it becomes non-blocking.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self(watch(Arc::new(fd), Interest::READABLE | Interest::WRITABLE)?))
    }

    /// Waits for a piece of output, as large as what is there; `None` at the end. Dropping the wait loses nothing.
    pub(crate) async fn read(&self, buffers: &Rc<Buffers>) -> Option<Buffer> {
        loop {
            let Ok(mut ready) = self.0.readable().await else {
                return None;
            };
            match self.read_now(buffers) {
                Read::Piece(piece) => return Some(piece),
                Read::Nothing => ready.clear_ready(),
                Read::End => return None,
            }
        }
    }

    /// Takes what is there. Asks the kernel rather than the runtime, whose news may be older than an exit status.
    pub(crate) fn read_now(&self, buffers: &Rc<Buffers>) -> Read {
        let mut buffer = buffers.take();
        // A terminal gives at most 4 KiB a call: filling the buffer saves frames, and waits for nothing.
        let end = loop {
            let room = buffer.room();
            if room.is_empty() {
                break Read::Nothing;
            }
            match unistd::read(self, room) {
                Ok(0) => break Read::End,
                Ok(count) => buffer.advance(count),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break Read::Nothing,
                // EIO is how a terminal says that no program has it open any more.
                Err(_gone) => break Read::End,
            }
        };
        if buffer.filled().is_empty() { end } else { Read::Piece(buffer) }
    }

    /// Waits until the program takes some of these bytes, and says how many. Dropping the wait writes nothing.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.writable().await?;
            match unistd::write(self, bytes) {
                Ok(count) => return Ok(count),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
