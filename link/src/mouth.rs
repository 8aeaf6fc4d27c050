//! The half of a socket that is written.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};
use nix::sys::uio::writev;
use tokio::io::{AsyncWrite, Interest};
use tokio::task::coop::poll_proceed;

use crate::watch::{Watched, watch};

/// Watched for room only while a write waits for it. Dropping it ends this direction.
pub(crate) struct Mouth {
    socket: Arc<OwnedFd>,
    /// A descriptor of its own: the runtime watches each one once, and the other half's is watched already.
    waiting: Option<Watched>,
    end: End,
}

/// What becomes of the direction when its half is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Tell,
    /// Somebody else goes on with it.
    Keep,
}

impl Mouth {
    pub(crate) fn new(socket: Arc<OwnedFd>) -> Self {
        Self { socket, waiting: None, end: End::Tell }
    }

    /// Lets go of the socket without ending anything.
    pub(crate) fn leave(mut self) {
        self.end = End::Keep;
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        if self.end == End::Tell {
            // The other end may be gone already.
            let _gone = shutdown(self.socket.as_raw_fd(), Shutdown::Write).is_err();
        }
    }
}

impl AsyncWrite for Mouth {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A reader that is always ready must not keep the thread: others have connections too.
        let turn = ready!(poll_proceed(context));
        loop {
            if let Some(waiting) = &self.waiting {
                let mut ready = ready!(waiting.poll_write_ready(context))?;
                // Old news, unless the write below goes through.
                ready.clear_ready();
            }
            match write(&self.socket, slices) {
                Ok(count) => {
                    turn.made_progress();
                    self.waiting = None;
                    return Poll::Ready(Ok(count));
                }
                Err(Errno::EAGAIN) if self.waiting.is_some() => {}
                Err(Errno::EAGAIN) => {
                    let again = Arc::new(self.socket.try_clone()?);
                    self.waiting = Some(watch(again, Interest::WRITABLE)?);
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        shutdown(self.socket.as_raw_fd(), Shutdown::Write)?;
        Poll::Ready(Ok(()))
    }
}

fn write(socket: &OwnedFd, slices: &[IoSlice<'_>]) -> nix::Result<usize> {
    loop {
        match writev(socket, slices) {
            Err(Errno::EINTR) => {}
            outcome => return outcome,
        }
    }
}
