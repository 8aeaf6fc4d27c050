//! A channel that shows a held terminal: from making or finding it until one of them goes.

use std::rc::Rc;
use std::time::Duration;

use spaces_protocol::frame::{Attach, AttachPurpose, Frame, FromGuest, MAX_DATA, Program, Start, ToGuest};
use spaces_protocol::session::{SessionReference, SessionToken};

use super::agent::AgentLink;
use super::viewer::{Next, Viewer};
use super::{Kind, Session, SessionError, keeper};
use crate::account;
use crate::channel::{self, End};
use crate::connection::{ConnectionError, FrameReader, FrameWriter, Stream};
use crate::space::{Full, Space};
use crate::spawn::{self, Running, SpawnError, Streams};
use crate::tasks;
use tokio::time;

/// Where a program looks for an SSH agent.
const AGENT: &str = "SSH_AUTH_SOCK";

/// How long a session may take to end, its programs' last moments included.
const END: Duration = Duration::from_secs(6);

/// Whoever was away for less does not want to be told.
const NOTICEABLE: Duration = Duration::from_secs(1);

/// Why nothing is shown; the text is for the person.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("a session needs a terminal: `ssh -t`")]
    NoTerminal,
}

/// Starts a program in a terminal that is held, and shows it.
pub(crate) async fn hold(
    space: &Rc<Space>,
    frames: FrameReader,
    writer: FrameWriter,
    start: &Start,
    token: Option<SessionToken>,
) -> Result<(), ConnectionError> {
    match begin(space, start, token) {
        Ok((session, viewer)) => show(space, frames, writer, &session, viewer, None).await,
        Err(refusal) => refuse(frames, writer, &refusal).await,
    }
}

/// Shows a terminal that is held already.
pub(crate) async fn attach(
    space: &Rc<Space>,
    frames: FrameReader,
    writer: FrameWriter,
    attach: &Attach,
) -> Result<(), ConnectionError> {
    match space.sessions.wanted(attach) {
        Ok(session) => {
            let away = session.away();
            session.follow_agent(attach.agent.as_deref());
            let viewer = session.join(attach.purpose, attach.size, attach.token.clone());
            show(space, frames, writer, &session, viewer, away).await
        }
        Err(refusal) => refuse(frames, writer, &refusal.into()).await,
    }
}

/// Tells which there are.
pub(crate) async fn list(
    space: &Space,
    frames: FrameReader,
    mut writer: FrameWriter,
) -> Result<(), ConnectionError> {
    writer.send(FromGuest::Sessions(space.sessions.list())).await?;
    channel::close(frames, writer).await;
    Ok(())
}

/// Tells what runs in them that a shell waits for.
pub(crate) async fn list_jobs(
    space: &Space,
    frames: FrameReader,
    mut writer: FrameWriter,
) -> Result<(), ConnectionError> {
    writer.send(FromGuest::Jobs(space.sessions.jobs())).await?;
    channel::close(frames, writer).await;
    Ok(())
}

/// Hangs up on one.
pub(crate) async fn end(
    space: &Space,
    frames: FrameReader,
    mut writer: FrameWriter,
    reference: &SessionReference,
) -> Result<(), ConnectionError> {
    let Some(session) = space.sessions.find(reference) else {
        return refuse(frames, writer, &SessionError::Absent.into()).await;
    };
    match time::timeout(END, session.doom()).await {
        Ok(()) => writer.send(FromGuest::SessionEnded).await?,
        Err(_elapsed) => return refuse(frames, writer, &SessionError::Stubborn.into()).await,
    }
    channel::close(frames, writer).await;
    Ok(())
}

fn begin(
    space: &Rc<Space>,
    start: &Start,
    token: Option<SessionToken>,
) -> Result<(Rc<Session>, Rc<Viewer>), Refusal> {
    let size = start.terminal.as_ref().ok_or(Refusal::NoTerminal)?.size;
    let permit = space.admit()?;
    space.sessions.admit()?;
    let mut start = start.clone();
    let agent = link_agent(&mut start);
    let kind = match start.program {
        Program::LoginShell => Kind::Shell,
        Program::Command(_) | Program::Sftp => Kind::Command,
    };
    let Running { pid, exit, streams, greeting } = spawn::start(space, &start)?;
    let Streams::Terminal(master) = streams else {
        return Err(Refusal::NoTerminal);
    };
    let session = space.sessions.hold(pid, master, size, agent, kind);
    let viewer = session.join(AttachPurpose::GoOn, size, token);
    // Nothing to draw anew: it sees everything from the first byte.
    viewer.begin_with_output();
    for piece in greeting.iter().flat_map(|text| text.chunks(MAX_DATA)) {
        session.show(piece);
    }
    tasks::spawn("session", keeper::keep(Rc::clone(space), Rc::clone(&session), exit, permit));
    Ok((session, viewer))
}

/// Has programs look for the agent at a place that can lead elsewhere later. Without one they run all the same.
fn link_agent(start: &mut Start) -> Option<AgentLink> {
    let (_name, path) = start.environment.iter_mut().find(|(name, _path)| name == AGENT)?;
    let link = AgentLink::make(account::look_up(&start.user).ok()?, path).ok()?;
    *path = link.path().to_string_lossy().into_owned();
    Some(link)
}

async fn refuse(
    frames: FrameReader,
    mut writer: FrameWriter,
    refusal: &Refusal,
) -> Result<(), ConnectionError> {
    writer.send(FromGuest::Failed(refusal.to_string())).await?;
    channel::close(frames, writer).await;
    Ok(())
}

/// Until the program ends, somebody takes the terminal, or the gateway is gone; the session outlives the latter two.
async fn show(
    space: &Space,
    mut frames: FrameReader,
    mut writer: FrameWriter,
    session: &Rc<Session>,
    viewer: Rc<Viewer>,
    away: Option<Duration>,
) -> Result<(), ConnectionError> {
    let presence = Presence { session: Rc::clone(session), viewer };
    let result = async {
        writer.send(FromGuest::Showing(space.sessions.showing(session, away))).await?;
        tokio::select! {
            result = carry(session, &presence.viewer, &mut writer, away) => result.map(|()| End::OurSide),
            result = listen(space, session, &presence.viewer, &mut frames) => result.map(|()| End::GatewaySide),
        }
    };
    let result = result.await;
    drop(presence);
    match result {
        Ok(End::OurSide) => {
            channel::close(frames, writer).await;
            Ok(())
        }
        // The gateway is gone, or its client.
        Ok(End::GatewaySide) | Err(ConnectionError::Socket(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Somebody's being there, however it ends.
struct Presence {
    session: Rc<Session>,
    viewer: Rc<Viewer>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.session.leave(&self.viewer);
    }
}

/// Carries what is shown to the channel.
async fn carry(
    session: &Session,
    viewer: &Viewer,
    writer: &mut FrameWriter,
    away: Option<Duration>,
) -> Result<(), ConnectionError> {
    let mut notice = away.filter(|away| *away >= NOTICEABLE).map(back_after);
    loop {
        match viewer.next().await {
            Next::Output(bytes) => {
                writer.send_data(Stream::Stdout, &bytes).await?;
                // The program may have waited for this.
                session.changed.notify_one();
            }
            Next::Repaint => {
                for piece in session.repaint(notice.take().as_deref()).chunks(MAX_DATA) {
                    writer.send_data(Stream::Stdout, piece).await?;
                }
            }
            Next::Ended(exit) => return writer.send(FromGuest::Exited(exit)).await,
            Next::Taken => return writer.send(FromGuest::Taken).await,
        }
    }
}

/// As a person says it.
fn back_after(away: Duration) -> String {
    let seconds = away.as_secs();
    match seconds {
        0..120 => format!("back after {seconds} s"),
        120..7200 => format!("back after {} min", seconds / 60),
        7200..172_800 => format!("back after {} h", seconds / 3600),
        _ => format!("back after {} d", seconds / 86_400),
    }
}

/// Takes what the client types, until the gateway closes. Who looks on types in vain.
async fn listen(
    space: &Space,
    session: &Session,
    viewer: &Viewer,
    frames: &mut FrameReader,
) -> Result<(), ConnectionError> {
    let looks_on = viewer.purpose() == AttachPurpose::Watch;
    loop {
        let Some(frame) = next(session, frames).await? else {
            return Ok(());
        };
        // Its place is another's, though it may not have read so yet.
        let looks_on = looks_on || viewer.is_sent_away();
        match frame {
            Frame::Stdin(bytes) if !looks_on => session.type_in(bytes),
            Frame::Message(ToGuest::Resize(size)) if !looks_on => session.resize(size),
            Frame::Message(ToGuest::Signal(signal)) if !looks_on => {
                space.children.signal(session.pid(), signal);
            }
            // A terminal has no end of input: its user types ^D. Who reads no more has left.
            Frame::Message(ToGuest::OutputClosed) => return Ok(()),
            Frame::Stdin(_) | Frame::Message(ToGuest::Resize(_) | ToGuest::Signal(_) | ToGuest::StdinEof) => {
            }
            Frame::Message(ToGuest::Open { .. } | ToGuest::Begin(_) | ToGuest::Held(_))
            | Frame::Stdout(_)
            | Frame::Stderr(_) => {
                return Err(ConnectionError::OutOfTurn);
            }
        }
    }
}

/// The next frame, or just the end of the connection while the program has not read what was typed.
async fn next(
    session: &Session,
    frames: &mut FrameReader,
) -> Result<Option<Frame<ToGuest>>, ConnectionError> {
    loop {
        let room = session.room.notified();
        if session.state.borrow().input.has_room() {
            return frames.next().await;
        }
        tokio::select! {
            hung_up = frames.hung_up() => return hung_up.map(|()| None).map_err(ConnectionError::from),
            () = room => {}
        }
    }
}

impl Session {
    /// Has it end, and waits until it has.
    async fn doom(&self) {
        let gone = self.gone.notified();
        self.doomed.set(true);
        self.changed.notify_one();
        gone.await;
    }

    fn type_in(&self, bytes: bytes::Bytes) {
        self.state.borrow_mut().input.push(bytes);
        self.changed.notify_one();
    }

    /// Programs go on looking where the agent was when they were started: that place leads to this client's now.
    fn follow_agent(&self, path: Option<&str>) {
        if let (Some(link), Some(path)) = (&self.agent, path) {
            // The person may have removed it: then there is no agent, as without this.
            drop(link.lead_to(path));
        }
    }
}
