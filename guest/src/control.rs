//! The control connection: kept for ever, made again whenever it is lost.
//!
//! Channels do not depend on it: they outlive a gateway's restart, and a restarted gateway reaches the Space
//! within [`SLOWEST`].

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use spaces_protocol::frame::{Frame, Hello, ToGuest, VERSION};
use tokio::time::{self, Instant};

use crate::channel::Begun;
use crate::connection::{ConnectionError, dial};
use crate::space::Space;
use crate::{channel, journal, tasks};

/// First wait before dialling again.
const FASTEST: Duration = Duration::from_millis(20);

/// Longest wait; also how long a connection must have lived to count as a good one.
const SLOWEST: Duration = Duration::from_millis(250);

/// Connections that are kept ready: one, and another for whoever comes while it is replaced.
const SPARES: usize = 2;

/// Dials, serves, and dials again. Never returns.
pub(crate) async fn keep_connected(space: &Rc<Space>) {
    let mut pause = FASTEST;
    let mut outage = Outage::Unknown;
    loop {
        let since = Instant::now();
        let result = serve(space).await;
        if since.elapsed() >= SLOWEST {
            pause = FASTEST;
            outage = Outage::Unknown;
        }
        outage.report(&space.socket, &result);
        time::sleep(pause).await;
        pause = (pause * 2).min(SLOWEST);
    }
}

/// Whether the operator knows that the gateway cannot be reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outage {
    Unknown,
    Reported,
}

impl Outage {
    /// One line an outage. A connection that was closed in order is no news: the gateway was restarted.
    fn report(&mut self, socket: &Path, result: &Result<(), ConnectionError>) {
        let (Self::Unknown, Err(error)) = (*self, result) else {
            return;
        };
        journal::note(format_args!(
            "no control connection through `{}`: {error}; trying on",
            socket.display()
        ));
        *self = Self::Reported;
    }
}

/// One connection, from dialling to its end, and the spare ones beside it.
async fn serve(space: &Rc<Space>) -> Result<(), ConnectionError> {
    let (mut frames, _writer) = dial(&space.socket, Hello::Control { version: VERSION }).await?;
    let mut spares: FuturesUnordered<_> = (0..SPARES).map(|_| spare(space, Duration::ZERO)).collect();
    loop {
        tokio::select! {
            frame = frames.next() => match frame? {
                None => return Ok(()),
                Some(Frame::Message(ToGuest::Open { ticket })) => {
                    tasks::spawn("channel", channel::serve(Rc::clone(space), ticket));
                }
                Some(
                    Frame::Message(
                        ToGuest::Begin(_)
                        | ToGuest::StdinEof
                        | ToGuest::OutputClosed
                        | ToGuest::Resize(_)
                        | ToGuest::Signal(_)
                        | ToGuest::Held(_),
                    )
                    | Frame::Stdin(_)
                    | Frame::Stdout(_)
                    | Frame::Stderr(_),
                ) => return Err(ConnectionError::OutOfTurn),
            },
            Some(used) = spares.next() => match used {
                Ok(Some(begun)) => {
                    tasks::spawn("channel", channel::perform(Rc::clone(space), begun));
                    spares.push(spare(space, Duration::ZERO));
                }
                // The gateway has enough of them, or goes away: the control connection tells which.
                Ok(None) | Err(_) => spares.push(spare(space, SLOWEST)),
            },
        }
    }
}

/// Keeps a connection ready until the gateway begins something on it; `None` when it has closed.
async fn spare(space: &Space, pause: Duration) -> Result<Option<Begun>, ConnectionError> {
    time::sleep(pause).await;
    let (frames, writer) = dial(&space.socket, Hello::Spare).await?;
    channel::begun(frames, writer).await
}
