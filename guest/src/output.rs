//! From a program to the gateway: its output, its end.
//!
//! ```text
//! running --exit--> drain what is there --> Exited --+-- terminal --> done
//!                                                    +-- pipes: go on until both have ended --> done
//! ```
//!
//! One piece is on its way at a time: a connection that is not read stops the program, as a pipe would.

use std::future;
use std::rc::Rc;

use spaces_protocol::frame::{Exit, FromGuest, MAX_DATA};
use tokio::sync::{Notify, oneshot};

use crate::buffers::{Buffer, Buffers};
use crate::connection::{ConnectionError, FrameWriter, Stream};
use crate::descriptor::{Descriptor, Read};

/// Most that is drained of a stream between a program's end and its status: the largest pipe that a user can
/// make. A background child that never stops writing must not hold the status back.
pub(crate) const DRAIN: usize = 1024 * 1024;

/// What can be read of a program, each until its end.
pub(crate) enum Source {
    /// Closed with the program's end, as sshd does: the kernel hangs up on what still uses it.
    Terminal(Option<Rc<Descriptor>>),
    /// Read on after the program's end, for children that it left behind.
    Pipes {
        /// Standard output.
        stdout: Option<Descriptor>,
        /// Standard error.
        stderr: Option<Descriptor>,
    },
}

/// The way out.
pub(crate) struct Output<'a> {
    /// The channel's connection.
    pub(crate) writer: &'a mut FrameWriter,
    /// Memory for pieces.
    pub(crate) buffers: &'a Rc<Buffers>,
    /// What is left to read.
    pub(crate) source: Source,
    /// Notified when nobody reads standard output any more.
    pub(crate) closed: &'a Notify,
}

impl Output<'_> {
    /// Shows text of ours before the program's.
    pub(crate) async fn greet(&mut self, text: &[u8]) -> Result<(), ConnectionError> {
        for piece in text.chunks(MAX_DATA) {
            self.writer.send_data(Stream::Stdout, piece).await?;
        }
        Ok(())
    }

    /// Runs until all output and the program's end have been sent.
    pub(crate) async fn run(&mut self, mut exit: oneshot::Receiver<Exit>) -> Result<(), ConnectionError> {
        let ended = loop {
            tokio::select! {
                (stream, piece) = next(&self.source, self.buffers, self.closed) => self.forward(stream, piece).await?,
                // Without a status there is nothing to say: the process's table of children is gone.
                ended = &mut exit => match ended {
                    Ok(ended) => break ended,
                    Err(_gone) => return Ok(()),
                },
            }
        };
        self.drain(Stream::Stdout).await?;
        self.drain(Stream::Stderr).await?;
        self.writer.send(FromGuest::Exited(ended)).await?;
        while self.source.outlives_program() {
            let (stream, piece) = next(&self.source, self.buffers, self.closed).await;
            self.forward(stream, piece).await?;
        }
        Ok(())
    }

    async fn forward(&mut self, stream: Stream, piece: Option<Buffer>) -> Result<(), ConnectionError> {
        if let Some(piece) = piece {
            return self.writer.send_data(stream, piece.filled()).await;
        }
        self.source.close(stream);
        Ok(())
    }

    /// Sends what the program had written when it ended.
    async fn drain(&mut self, stream: Stream) -> Result<(), ConnectionError> {
        let mut drained = 0;
        while drained < DRAIN {
            let Some(descriptor) = self.source.stream(stream) else {
                return Ok(());
            };
            match descriptor.read_now(self.buffers) {
                Read::Piece(piece) => {
                    drained += piece.filled().len();
                    self.forward(stream, Some(piece)).await?;
                }
                Read::Nothing => return Ok(()),
                Read::End => self.source.close(stream),
            }
        }
        Ok(())
    }
}

impl Source {
    fn stream(&self, stream: Stream) -> Option<&Descriptor> {
        match (self, stream) {
            (Self::Terminal(master), Stream::Stdout) => master.as_deref(),
            (Self::Terminal(_), Stream::Stderr) => None,
            (Self::Pipes { stdout, .. }, Stream::Stdout) => stdout.as_ref(),
            (Self::Pipes { stderr, .. }, Stream::Stderr) => stderr.as_ref(),
        }
    }

    fn close(&mut self, stream: Stream) {
        match (self, stream) {
            (Self::Terminal(master), _) => *master = None,
            (Self::Pipes { stdout, .. }, Stream::Stdout) => *stdout = None,
            (Self::Pipes { stderr, .. }, Stream::Stderr) => *stderr = None,
        }
    }

    fn outlives_program(&self) -> bool {
        match self {
            Self::Terminal(_) => false,
            Self::Pipes { stdout, stderr } => stdout.is_some() || stderr.is_some(),
        }
    }
}

/// Waits for a piece of either stream, or the end of one. Dropping the wait loses nothing.
///
/// Output that nobody reads has ended: once its descriptor is closed, the program's next write fails.
async fn next(source: &Source, buffers: &Rc<Buffers>, closed: &Notify) -> (Stream, Option<Buffer>) {
    tokio::select! {
        piece = read(source.stream(Stream::Stdout), buffers) => (Stream::Stdout, piece),
        piece = read(source.stream(Stream::Stderr), buffers) => (Stream::Stderr, piece),
        () = closed.notified() => (Stream::Stdout, None),
    }
}

async fn read(descriptor: Option<&Descriptor>, buffers: &Rc<Buffers>) -> Option<Buffer> {
    match descriptor {
        Some(descriptor) => descriptor.read(buffers).await,
        None => future::pending().await,
    }
}
