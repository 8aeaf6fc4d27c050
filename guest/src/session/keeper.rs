//! The keeper of one held terminal: reads what the program prints and gives it what is typed, whoever is there.

use std::convert::Infallible;
use std::future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use spaces_protocol::frame::{Exit, Signal};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time;

use super::Session;
use crate::buffers::Buffers;
use crate::descriptor::{Descriptor, Read};
use crate::output::DRAIN;
use crate::space::Space;

/// How long a program that is to end may take for it.
const GRACE: Duration = Duration::from_secs(3);

/// Keeps a terminal until its program has ended.
pub(crate) async fn keep(
    space: Rc<Space>,
    session: Rc<Session>,
    mut exit: oneshot::Receiver<Exit>,
    _permit: OwnedSemaphorePermit,
) -> Result<(), Infallible> {
    // Only this task ever takes it away.
    let master = session.state.borrow().master.clone();
    if let Some(master) = master {
        let ended = loop {
            if session.doomed.get() {
                break None;
            }
            let held_back = session.held_back();
            tokio::select! {
                piece = master.read(&space.buffers), if held_back.is_none() => match piece {
                    Some(piece) => session.show(piece.filled()),
                    // No program has the terminal open; the one that was started may still run.
                    None => break None,
                },
                written = write(&master, session.next_input()) => session.settle(written),
                // Somebody came, went, typed, or took what was on its way.
                () = session.changed.notified() => {}
                () = pause(held_back) => {}
                ended = &mut exit => break Some(ended),
            }
        };
        drain(&session, &master, &space.buffers);
        let ended = match ended {
            Some(ended) => ended,
            None => without_terminal(&space, &session, master, exit).await,
        };
        if let Ok(ended) = ended {
            session.end(&ended);
        }
    }
    space.sessions.forget(session.number);
    session.gone.notify_waiters();
    Ok(())
}

/// Waits for a program that has let go of its terminal, or is to end. The terminal is kept for the former, which may go
/// on as long as it likes; taken from the latter, and what does not end by that is made to.
async fn without_terminal(
    space: &Space,
    session: &Session,
    master: Rc<Descriptor>,
    mut exit: oneshot::Receiver<Exit>,
) -> Result<Exit, oneshot::error::RecvError> {
    let mut master = Some(master);
    loop {
        if session.doomed.get() {
            // With the last one that has it, the kernel hangs up on whatever still uses the terminal.
            session.state.borrow_mut().master = None;
            drop(master.take());
        }
        tokio::select! {
            ended = &mut exit => return ended,
            () = session.changed.notified(), if !session.doomed.get() => {}
            () = time::sleep(GRACE), if session.doomed.get() => space.children.signal(session.pid(), Signal::Kill),
        }
    }
}

async fn write(master: &Descriptor, bytes: Option<Bytes>) -> io::Result<usize> {
    match bytes {
        Some(bytes) => master.write(&bytes).await,
        None => future::pending().await,
    }
}

async fn pause(held_back: Option<Duration>) {
    match held_back {
        Some(left) => time::sleep(left).await,
        None => future::pending().await,
    }
}

/// Shows what the program had printed when it ended.
fn drain(session: &Session, master: &Descriptor, buffers: &Rc<Buffers>) {
    let mut drained = 0;
    while drained < DRAIN
        && let Read::Piece(piece) = master.read_now(buffers)
    {
        drained += piece.filled().len();
        session.show(piece.filled());
    }
}

impl Session {
    /// The oldest piece that was typed and not read.
    fn next_input(&self) -> Option<Bytes> {
        self.state.borrow().input.front_piece()
    }

    /// A program that has closed its terminal reads nothing any more.
    fn settle(&self, written: io::Result<usize>) {
        let mut state = self.state.borrow_mut();
        match written {
            Ok(count) => state.input.advance(count),
            Err(_closed) => state.input.clear(),
        }
        if state.input.has_room() {
            self.room.notify_waiters();
        }
    }
}
