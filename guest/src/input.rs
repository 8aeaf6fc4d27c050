//! From the gateway to a program: its input, its terminal's size, its signals.
//!
//! Frames are read ahead of what the program takes, as far as the queue has room: a resize must be found behind
//! input that a busy program has not read. When the queue is full only the end of the connection is watched.

use std::future;
use std::io;
use std::rc::Rc;

use nix::unistd::Pid;
use spaces_protocol::frame::{Frame, ToGuest};
use tokio::sync::Notify;

use crate::connection::{ConnectionError, FrameReader};
use crate::descriptor::Descriptor;
use crate::queue::Queue;
use crate::reaper::Children;
use crate::terminal;

/// Where input goes.
pub(crate) enum Sink {
    /// The program may still read.
    Pipe(Descriptor),
    /// As long as the channel lives.
    Terminal(Rc<Descriptor>),
    /// It reads no more, or the gateway sends no more: what comes is dropped.
    Closed,
}

/// The way in.
pub(crate) struct Input<'a> {
    frames: &'a mut FrameReader,
    children: &'a Children,
    pid: Pid,
    sink: Sink,
    queue: Queue,
    ending: Ending,
    output_closed: &'a Notify,
}

/// Whether the gateway has said that no more input comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    AfterQueue,
}

impl<'a> Input<'a> {
    /// Feeds a program that runs.
    pub(crate) fn new(
        frames: &'a mut FrameReader,
        children: &'a Children,
        pid: Pid,
        sink: Sink,
        output_closed: &'a Notify,
    ) -> Self {
        Self { frames, children, pid, sink, queue: Queue::default(), ending: Ending::Open, output_closed }
    }

    /// Runs until the gateway closes the connection.
    pub(crate) async fn run(mut self) -> Result<(), ConnectionError> {
        loop {
            tokio::select! {
                frame = next(self.frames, self.queue.has_room()) => match frame? {
                    Some(frame) => self.accept(frame)?,
                    None => return Ok(()),
                },
                written = write(&self.sink, self.queue.front()) => self.settle(written),
            }
            if self.ending == Ending::AfterQueue && self.queue.front().is_none() {
                self.end();
            }
        }
    }

    fn accept(&mut self, frame: Frame<ToGuest>) -> Result<(), ConnectionError> {
        match frame {
            Frame::Stdin(bytes) => match (&self.sink, self.ending) {
                (Sink::Pipe(_) | Sink::Terminal(_), Ending::Open) => self.queue.push(bytes),
                (Sink::Closed, _) | (_, Ending::AfterQueue) => {}
            },
            Frame::Message(ToGuest::StdinEof) => self.ending = Ending::AfterQueue,
            Frame::Message(ToGuest::OutputClosed) => self.close_output(),
            Frame::Message(ToGuest::Resize(size)) => {
                if let Sink::Terminal(master) = &self.sink {
                    // Fails where the session has given its terminal up: no size matters then.
                    drop(terminal::resize(master.as_ref(), size));
                }
            }
            Frame::Message(ToGuest::Signal(signal)) => self.children.signal(self.pid, signal),
            Frame::Message(ToGuest::Open { .. } | ToGuest::Begin(_) | ToGuest::Held(_))
            | Frame::Stdout(_)
            | Frame::Stderr(_) => {
                return Err(ConnectionError::OutOfTurn);
            }
        }
        Ok(())
    }

    /// A terminal has one descriptor for both ways, so it goes as a whole: the kernel hangs up on the session.
    fn close_output(&mut self) {
        self.output_closed.notify_one();
        match &self.sink {
            Sink::Terminal(_) => self.close(),
            Sink::Pipe(_) | Sink::Closed => {}
        }
    }

    fn close(&mut self) {
        self.queue.clear();
        self.sink = Sink::Closed;
    }

    /// A program that closed its input is no error: the rest of the input is dropped, as a broken pipe would.
    fn settle(&mut self, written: io::Result<usize>) {
        match written {
            Ok(count) => self.queue.advance(count),
            Err(_closed) => self.close(),
        }
    }

    /// The end of input closes a pipe. A terminal has no end of input: its user types ^D.
    fn end(&mut self) {
        match &self.sink {
            Sink::Pipe(_) => self.sink = Sink::Closed,
            Sink::Terminal(_) | Sink::Closed => {}
        }
    }
}

/// The next frame, or just the end of the connection while there is no room for one.
async fn next(frames: &mut FrameReader, has_room: bool) -> Result<Option<Frame<ToGuest>>, ConnectionError> {
    if has_room {
        return frames.next().await;
    }
    frames.hung_up().await?;
    Ok(None)
}

async fn write(sink: &Sink, bytes: Option<&[u8]>) -> io::Result<usize> {
    match (sink, bytes) {
        (Sink::Pipe(stdin), Some(bytes)) => stdin.write(bytes).await,
        (Sink::Terminal(master), Some(bytes)) => master.write(bytes).await,
        (Sink::Closed, _) | (_, None) => future::pending().await,
    }
}
