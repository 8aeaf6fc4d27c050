//! A client's TCP connection, with four things that SSH needs and russh does not do: it ends if nobody
//! authenticates in time, it ends if the client takes nothing for too long, it does not wait for delayed ACKs
//! while the two sides still ask and answer, and it reads a packet with one system call.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Reads after which a connection is no longer in its first exchanges. Each delayed ACK before costs 40 ms.
const QUICK_READS: u32 = 50;

/// russh reads the four bytes of a packet's length, and then the packet. Typing and requests fit in this; of longer
/// packets it takes the beginning, and the rest is read to where it goes.
const READ_AHEAD: usize = 4096;

/// How long a stranger or a newcomer has for what they may do. They hold a connection without a key.
const VISIT: Duration = Duration::from_mins(5);

/// Who came in, told by the connection's handler to its stream.
#[derive(Debug, Default)]
pub(crate) struct Standing(AtomicU8);

impl Standing {
    /// A stranger or a newcomer.
    pub(crate) const VISITOR: u8 = 1;
    /// Somebody with a registered key.
    pub(crate) const PERSON: u8 = 2;

    pub(crate) fn set(&self, standing: u8) {
        self.0.store(standing, Ordering::Relaxed);
    }

    fn is(&self, standing: u8) -> bool {
        self.0.load(Ordering::Relaxed) == standing
    }
}

/// The stream that russh reads and writes.
pub(crate) struct ClientStream {
    tcp: TcpStream,
    /// What was read and not asked for yet. Connections that are idle hold no memory for it.
    ahead: Bytes,
    quick_reads: u32,
    standing: Arc<Standing>,
    welcome: bool,
    grace: Option<Pin<Box<Sleep>>>,
    /// How long a write may wait. russh's own keepalives wait with it.
    patience: Option<Duration>,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    /// Ends after `grace`, unless somebody came in before; ends after [`VISIT`] for one who is not a person.
    /// An inactivity timeout would not do: a peer that drips ignored messages outlives it. Ends for everybody when a
    /// write has waited for all of `patience`.
    pub(crate) fn new(
        tcp: TcpStream,
        grace: Duration,
        patience: Option<Duration>,
        standing: Arc<Standing>,
    ) -> Self {
        Self {
            tcp,
            ahead: Bytes::new(),
            quick_reads: QUICK_READS,
            standing,
            welcome: false,
            grace: Some(Box::pin(sleep(grace))),
            patience,
            stalled: None,
        }
    }

    /// Called when a write waits.
    fn check_patience(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(patience) = self.patience else { return Ok(()) };
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        if stalled.as_mut().poll(context).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing any more"));
        }
        Ok(())
    }

    fn check_grace(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(grace) = &mut self.grace {
            if self.standing.is(Standing::PERSON) {
                self.grace = None;
                return Ok(());
            }
            if self.standing.is(Standing::VISITOR) && !self.welcome {
                self.welcome = true;
                grace.as_mut().reset(Instant::now() + VISIT);
            }
            if grace.as_mut().poll(context).is_ready() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody authenticated in time"));
            }
        }
        Ok(())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_grace(context)?;
        if self.ahead.has_remaining() {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(count));
            return Poll::Ready(Ok(()));
        }
        if self.quick_reads > 0 {
            self.quick_reads -= 1;
            // The kernel falls back by itself, so it is told again. Refused: only slower.
            drop(SockRef::from(&self.tcp).set_tcp_quickack(true));
        }
        if buffer.remaining() >= READ_AHEAD {
            return Pin::new(&mut self.tcp).poll_read(context, buffer);
        }
        let mut ahead = [MaybeUninit::uninit(); READ_AHEAD];
        let mut ahead = ReadBuf::uninit(&mut ahead);
        ready!(Pin::new(&mut self.tcp).poll_read(context, &mut ahead))?;
        let (asked, rest) = ahead.filled().split_at(ahead.filled().len().min(buffer.remaining()));
        buffer.put_slice(asked);
        self.ahead = Bytes::copy_from_slice(rest);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_grace(context)?;
        let written = Pin::new(&mut self.tcp).poll_write(context, buffer);
        if written.is_pending() {
            self.check_patience(context)?;
        } else {
            self.stalled = None;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
