//! One channel: a connection of its own, one program, until both are done with each other.
//!
//! ```text
//! dialling --Hello--> waiting --Start--> running --exit and end of output--> lingering --> closed
//!     |                  |                  |                                               ^
//!     +---- deadline ----+----- refused: Failed --------- the gateway closed ---------------+
//! ```

use std::io;
use std::rc::Rc;
use std::time::Duration;

use spaces_protocol::frame::{Frame, FromGuest, Hello, Program, Start, Task, ToGuest};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time;

use crate::connection::{self, ConnectionError, FrameReader, FrameWriter, dial};
use crate::input::{Input, Sink};
use crate::output::{Output, Source};
use crate::session::view;
use crate::space::{Full, Space};
use crate::spawn::{self, Running, SpawnError, Streams};
use crate::{forward, listener};

/// How long dialling and waiting for a [`Task`] may take together: a ticket is short-lived.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// How soon a connection is tried again that the gateway's full backlog refused.
const BACKLOG_PAUSE: Duration = Duration::from_millis(5);

/// How long the gateway may take to close after us. Closing at once, with its bytes unread, would reach it as an
/// error rather than an end.
const LINGER: Duration = Duration::from_secs(2);

/// Why a program does not run; the text is for the person.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Serves one channel to its end.
pub(crate) async fn serve(space: Rc<Space>, ticket: u64) -> Result<(), ConnectionError> {
    // A ticket that the gateway has given up is no news: it knows.
    let Ok(opened) = time::timeout(START_DEADLINE, open(&space, ticket)).await else {
        return Ok(());
    };
    match opened? {
        Some(begun) => perform(space, begun).await,
        None => Ok(()),
    }
}

/// A connection on which the gateway has begun something.
pub(crate) struct Begun {
    frames: FrameReader,
    writer: FrameWriter,
    task: Task,
}

/// Does what was begun, to its end.
pub(crate) async fn perform(space: Rc<Space>, begun: Begun) -> Result<(), ConnectionError> {
    let Begun { frames, writer, task } = begun;
    match task {
        Task::Run(start) if start.program == Program::Sftp => hand_over(&space, frames, writer, &start).await,
        Task::Run(start) => run_program(&space, frames, writer, &start).await,
        Task::Dial { user, endpoint } => forward::dial(&space, frames, writer, &user, &endpoint).await,
        Task::Listen { user, place } => listener::serve(&space, frames, writer, &user, &place).await,
        Task::Adopt { connection } => forward::adopt(&space, frames, writer, connection).await,
        Task::Hold { start, token } => view::hold(&space, frames, writer, &start, token).await,
        Task::Attach(attach) => view::attach(&space, frames, writer, &attach).await,
        Task::ListSessions => view::list(&space, frames, writer).await,
        Task::ListJobs => view::list_jobs(&space, frames, writer).await,
        Task::EndSession(reference) => view::end(&space, frames, writer, &reference).await,
    }
}

async fn run_program(
    space: &Space,
    mut frames: FrameReader,
    mut writer: FrameWriter,
    start: &Start,
) -> Result<(), ConnectionError> {
    let result = match begin(space, start) {
        Ok((running, _permit)) => run(space, &mut frames, &mut writer, running).await,
        Err(refusal) => writer.send(FromGuest::Failed(refusal.to_string())).await.map(|()| End::OurSide),
    };
    match result {
        Ok(End::OurSide) => {
            close(frames, writer).await;
            Ok(())
        }
        // The gateway is gone, and with it whoever would want to know.
        Ok(End::GatewaySide) | Err(ConnectionError::Socket(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Who ended a channel.
pub(crate) enum End {
    OurSide,
    GatewaySide,
}

async fn open(space: &Space, ticket: u64) -> Result<Option<Begun>, ConnectionError> {
    let (frames, writer) = loop {
        match dial(&space.socket, Hello::Channel { ticket }).await {
            Err(ConnectionError::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                time::sleep(BACKLOG_PAUSE).await;
            }
            result => break result?,
        }
    };
    begun(frames, writer).await
}

/// Waits for what the gateway begins; `None` when it has closed.
pub(crate) async fn begun(
    mut frames: FrameReader,
    writer: FrameWriter,
) -> Result<Option<Begun>, ConnectionError> {
    match frames.next().await? {
        None => Ok(None),
        Some(Frame::Message(ToGuest::Begin(task))) => Ok(Some(Begun { frames, writer, task })),
        Some(
            Frame::Message(
                ToGuest::Open { .. }
                | ToGuest::StdinEof
                | ToGuest::OutputClosed
                | ToGuest::Resize(_)
                | ToGuest::Signal(_)
                | ToGuest::Held(_),
            )
            | Frame::Stdin(_)
            | Frame::Stdout(_)
            | Frame::Stderr(_),
        ) => Err(ConnectionError::OutOfTurn),
    }
}

fn begin(space: &Space, start: &Start) -> Result<(Running, OwnedSemaphorePermit), Refusal> {
    let permit = space.admit()?;
    let running = spawn::start(space, start)?;
    Ok((running, permit))
}

/// Gives the connection to a process that serves SFTP on it, and waits for that process.
async fn hand_over(
    space: &Space,
    frames: FrameReader,
    mut writer: FrameWriter,
    start: &Start,
) -> Result<(), ConnectionError> {
    let started = space.admit().map_err(Refusal::from).and_then(|permit| {
        let socket = connection::descriptor_of(&frames).map_err(SpawnError::Pipes)?;
        Ok((spawn::start_sftp(space, start, socket)?, permit))
    });
    match started {
        Ok((exit, _permit)) => {
            connection::leave(frames, writer);
            // Only its end matters: it has told the gateway how it ended.
            drop(exit.await);
            Ok(())
        }
        Err(refusal) => writer.send(FromGuest::Failed(refusal.to_string())).await,
    }
}

/// Joins a program and its connection. When this returns, every descriptor of the program's is closed.
async fn run(
    space: &Space,
    frames: &mut FrameReader,
    writer: &mut FrameWriter,
    running: Running,
) -> Result<End, ConnectionError> {
    let Running { pid, exit, streams, greeting } = running;
    let (sink, source) = match streams {
        Streams::Terminal(master) => (Sink::Terminal(Rc::clone(&master)), Source::Terminal(Some(master))),
        Streams::Pipes { stdin, stdout, stderr } => {
            (Sink::Pipe(stdin), Source::Pipes { stdout: Some(stdout), stderr: Some(stderr) })
        }
    };
    let output_closed = Notify::new();
    let input = Input::new(frames, &space.children, pid, sink, &output_closed);
    let output = async {
        writer.send(FromGuest::Started).await?;
        let mut output = Output { writer, buffers: &space.buffers, source, closed: &output_closed };
        if let Some(text) = greeting {
            output.greet(&text).await?;
        }
        output.run(exit).await
    };
    // Whichever side ends first ends the channel: a write that is dropped goes to a connection that is closed.
    tokio::select! {
        result = output => result.map(|()| End::OurSide),
        result = input.run() => result.map(|()| End::GatewaySide),
    }
}

/// Ends a channel from our side.
pub(crate) async fn close(mut frames: FrameReader, writer: FrameWriter) {
    drop(writer);
    drop(time::timeout(LINGER, discard(&mut frames)).await);
}

/// Reads until the gateway closes.
async fn discard(frames: &mut FrameReader) {
    while let Ok(Some(_late)) = frames.next().await {}
}
