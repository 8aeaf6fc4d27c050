//! A client's TCP connection, with two things that SSH needs and russh does not do: it ends if nobody
//! authenticates in time, and it does not wait for delayed ACKs while the two sides still ask and answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Reads after which a connection is no longer in its first exchanges. Each delayed ACK before costs 40 ms.
const QUICK_READS: u32 = 50;

/// The stream that russh reads and writes.
pub(crate) struct ClientStream {
    tcp: TcpStream,
    quick_reads: u32,
    authenticated: Arc<AtomicBool>,
    grace: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    /// Ends after `grace`, unless `authenticated` was set before. An inactivity timeout would not do: a peer
    /// that drips ignored messages outlives it.
    pub(crate) fn new(tcp: TcpStream, grace: Duration, authenticated: Arc<AtomicBool>) -> Self {
        Self { tcp, quick_reads: QUICK_READS, authenticated, grace: Some(Box::pin(sleep(grace))) }
    }

    fn check_grace(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(grace) = &mut self.grace {
            if self.authenticated.load(Ordering::Relaxed) {
                self.grace = None;
            } else if grace.as_mut().poll(context).is_ready() {
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
        if self.quick_reads > 0 {
            self.quick_reads -= 1;
            // The kernel falls back by itself, so it is told again. Refused: only slower.
            drop(SockRef::from(&self.tcp).set_tcp_quickack(true));
        }
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_grace(context)?;
        Pin::new(&mut self.tcp).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
