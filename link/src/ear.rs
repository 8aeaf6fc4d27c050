//! The half of a socket that is read.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::libc;
use tokio::io::{AsyncRead, Interest, ReadBuf};

use crate::watch::{Watched, watch};

/// Watched for something to read, and for nothing else.
pub(crate) struct Ear(Watched);

impl Ear {
    pub(crate) fn new(socket: Arc<OwnedFd>) -> io::Result<Self> {
        Ok(Self(watch(socket, Interest::READABLE)?))
    }

    pub(crate) fn socket(&self) -> &Arc<OwnedFd> {
        self.0.get_ref()
    }

    pub(crate) fn into_socket(self) -> Arc<OwnedFd> {
        self.0.into_inner()
    }
}

impl AsyncRead for Ear {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            let wanted = buffer.remaining();
            match read(self.socket(), buffer) {
                Ok(count) => {
                    // Less than there was room for: the socket is empty, and will tell of more.
                    if 0 < count && count < wanted {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(Errno::EINTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

/// Reads into the part of the buffer that is not filled, which is not zeroed first: that would cost a bulk transfer one
/// more pass over its bytes.
#[expect(unsafe_code, reason = "the safe call wants bytes that are initialised")]
fn read(socket: &OwnedFd, buffer: &mut ReadBuf<'_>) -> nix::Result<usize> {
    // SAFETY: nothing below makes initialised bytes uninitialised, and the call writes no more than the length that
    // it is given. What it says to have written is initialised.
    unsafe {
        let room = buffer.unfilled_mut();
        let count = Errno::result(libc::read(socket.as_raw_fd(), room.as_mut_ptr().cast(), room.len()))?;
        let count = count.unsigned_abs();
        buffer.assume_init(count);
        buffer.advance(count);
        Ok(count)
    }
}
