//! Terminals that outlive the channels that show them.
//!
//! A session is a program in a terminal, the model of its screen, and those who look at it. Its keeper
//! ([`keeper::keep`]) reads the program's output whether or not anybody is there; a viewer ([`view`]) carries it to one
//! channel. One thread: cells, and no borrow across a wait.
//!
//! ```text
//! program --> keeper --> screen
//!    ^          |-----> viewer (goes on in it) --> channel     held back as long as it is not too slow
//!    |          \-----> viewer (looks on) -------> channel     never held back for: drawn anew instead
//!    \--- input <------ viewer
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::unistd::Pid;
use spaces_protocol::frame::{Attach, AttachPurpose, Exit, HeldSession, Job, Showing, WindowSize};
use spaces_protocol::session::{SessionNumber, SessionReference, SessionToken};
use tokio::sync::Notify;

use crate::descriptor::Descriptor;
use crate::queue::Queue;
use crate::{foreground, terminal};
use agent::AgentLink;
use screen::Screen;
use viewer::{Patience, Viewer};

mod agent;
mod drawing;
pub(crate) mod keeper;
mod screen;
pub(crate) mod view;
mod viewer;

/// Most terminals held at once: each has a screen and its history in memory.
const MOST: usize = 64;

/// Most who see one of them, and most that are remembered by name.
const MOST_VIEWERS: usize = 32;

/// Why a terminal is not shown. The text is for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// [`MOST`] are there.
    #[error("too many sessions are held in this Space; `session kill` ends one")]
    TooMany,
    /// No such number or token.
    #[error("no such session")]
    Absent,
    /// Nothing to go on in.
    #[error("no session is detached")]
    NoneDetached,
    /// Somebody is in it.
    #[error("somebody is in that session")]
    Occupied,
    /// [`MOST_VIEWERS`] see it.
    #[error("too many see that session already")]
    Crowded,
    /// It was hung up on, and goes on.
    #[error("that session does not end")]
    Stubborn,
}

/// All terminals that are held.
#[derive(Default)]
pub(crate) struct Sessions {
    last: Cell<u32>,
    all: RefCell<BTreeMap<SessionNumber, Rc<Session>>>,
}

/// One of them.
pub(crate) struct Session {
    number: SessionNumber,
    pid: Pid,
    kind: Kind,
    /// Where programs in it look for the agent, whoever lends one.
    agent: Option<AgentLink>,
    since: SystemTime,
    state: RefCell<State>,
    /// Wakes the keeper.
    changed: Notify,
    /// Wakes whoever has input that did not fit.
    room: Notify,
    /// Somebody wants it to end.
    doomed: Cell<bool>,
    /// Wakes whoever waits for that.
    gone: Notify,
}

/// What was started in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Which waits for its user, or for a job.
    Shell,
    /// Which is a job itself.
    Command,
}

struct State {
    /// None once the program has ended: then the kernel hangs up on what it left behind.
    master: Option<Rc<Descriptor>>,
    screen: Screen,
    size: WindowSize,
    input: Queue,
    viewers: Vec<Rc<Viewer>>,
    /// Clients that were here, by what they call themselves; the last one last.
    known: Vec<SessionToken>,
    left: Option<Left>,
}

/// Since when nobody goes on in it: for people, and by a clock that nobody sets.
#[derive(Debug, Clone, Copy)]
struct Left {
    at: SystemTime,
    clock: Instant,
}

impl Sessions {
    /// Whether one more may be held.
    pub(crate) fn admit(&self) -> Result<(), SessionError> {
        if self.all.borrow().len() < MOST { Ok(()) } else { Err(SessionError::TooMany) }
    }

    /// Holds a program's terminal from now on.
    pub(crate) fn hold(
        &self,
        pid: Pid,
        master: Rc<Descriptor>,
        size: WindowSize,
        agent: Option<AgentLink>,
        kind: Kind,
    ) -> Rc<Session> {
        let number = SessionNumber(self.last.get().saturating_add(1));
        self.last.set(number.0);
        let state = State {
            master: Some(master),
            screen: Screen::new(size),
            size,
            input: Queue::default(),
            viewers: Vec::new(),
            known: Vec::new(),
            left: None,
        };
        let session = Rc::new(Session {
            number,
            pid,
            kind,
            agent,
            since: SystemTime::now(),
            state: RefCell::new(state),
            changed: Notify::new(),
            room: Notify::new(),
            doomed: Cell::new(false),
            gone: Notify::new(),
        });
        self.all.borrow_mut().insert(number, Rc::clone(&session));
        session
    }

    /// The terminal that somebody wants to see.
    pub(crate) fn wanted(&self, attach: &Attach) -> Result<Rc<Session>, SessionError> {
        let session = match &attach.session {
            Some(reference) => self.find(reference).ok_or(SessionError::Absent)?,
            None => self.left_last().ok_or(SessionError::NoneDetached)?,
        };
        match attach.purpose {
            AttachPurpose::GoOn if session.is_occupied(attach.token.as_ref()) => Err(SessionError::Occupied),
            _ if session.state.borrow().viewers.len() >= MOST_VIEWERS => Err(SessionError::Crowded),
            AttachPurpose::GoOn | AttachPurpose::Take | AttachPurpose::Watch => Ok(session),
        }
    }

    /// The terminal of this name.
    pub(crate) fn find(&self, reference: &SessionReference) -> Option<Rc<Session>> {
        let all = self.all.borrow();
        match reference {
            SessionReference::Number(number) => all.get(number).map(Rc::clone),
            SessionReference::Token(token) => {
                all.values().find(|session| session.state.borrow().known.contains(token)).map(Rc::clone)
            }
        }
    }

    /// All of them, for a person.
    pub(crate) fn list(&self) -> Vec<HeldSession> {
        self.all.borrow().values().map(|session| session.describe()).collect()
    }

    /// What runs in their foreground, but for shells that wait for their users.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.all.borrow().values().filter_map(|session| session.job()).collect()
    }

    fn left_last(&self) -> Option<Rc<Session>> {
        let all = self.all.borrow();
        let detached = all.values().filter_map(|session| Some((session.away()?, session)));
        detached.min_by_key(|(away, _session)| *away).map(|(_away, session)| Rc::clone(session))
    }

    /// Those that nobody shows.
    fn detached(&self) -> Vec<SessionNumber> {
        let all = self.all.borrow();
        all.values().filter(|session| session.away().is_some()).map(|session| session.number).collect()
    }

    /// What a channel is told that shows this one.
    pub(crate) fn showing(&self, session: &Session, away: Option<Duration>) -> Showing {
        let mut detached = self.detached();
        detached.retain(|number| *number != session.number);
        Showing { session: session.number, away: away.map(|away| away.as_secs()), detached }
    }

    fn forget(&self, number: SessionNumber) {
        self.all.borrow_mut().remove(&number);
    }
}

impl Session {
    /// The program's process, which leads its group.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// How long nobody has been there.
    pub(crate) fn away(&self) -> Option<Duration> {
        self.state.borrow().left.map(|left| left.clock.elapsed())
    }

    /// Whether somebody else goes on in it.
    fn is_occupied(&self, token: Option<&SessionToken>) -> bool {
        let state = self.state.borrow();
        state.viewers.iter().any(|viewer| viewer.purpose() != AttachPurpose::Watch && !viewer.is(token))
    }

    /// One more who sees it. Whoever takes it sends the others away who go on in it; who looks on may stay. A client
    /// that comes back sends away what it left behind: the other end may not have noticed yet.
    fn join(&self, purpose: AttachPurpose, size: WindowSize, token: Option<SessionToken>) -> Rc<Viewer> {
        let (gone, stay) = mem::take(&mut self.state.borrow_mut().viewers).into_iter().partition(|viewer| {
            let goes_on = viewer.purpose() != AttachPurpose::Watch;
            viewer.is(token.as_ref()) || (purpose == AttachPurpose::Take && goes_on)
        });
        self.state.borrow_mut().viewers = stay;
        let gone: Vec<Rc<Viewer>> = gone;
        for viewer in gone {
            viewer.send_away();
        }
        if purpose != AttachPurpose::Watch {
            self.resize(size);
        }
        let viewer = Rc::new(Viewer::new(purpose, token.clone()));
        let mut state = self.state.borrow_mut();
        state.know(token);
        state.viewers.push(Rc::clone(&viewer));
        if purpose != AttachPurpose::Watch {
            state.left = None;
        }
        viewer
    }

    /// One fewer.
    fn leave(&self, viewer: &Rc<Viewer>) {
        let mut state = self.state.borrow_mut();
        state.viewers.retain(|other| !Rc::ptr_eq(other, viewer));
        let occupied = state.viewers.iter().any(|viewer| viewer.purpose() != AttachPurpose::Watch);
        if !occupied && state.left.is_none() {
            state.left = Some(Left { at: SystemTime::now(), clock: Instant::now() });
        }
        drop(state);
        self.changed.notify_one();
    }

    fn resize(&self, size: WindowSize) {
        let mut state = self.state.borrow_mut();
        state.size = size;
        state.screen.resize(size);
        if let Some(master) = &state.master {
            // Fails where the program has given its terminal up: no size matters then.
            drop(terminal::resize(master.as_ref(), size));
        }
    }

    /// Shows output to everybody.
    fn show(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.screen.show(bytes);
        for viewer in &state.viewers {
            viewer.show(bytes);
        }
    }

    /// How long the program may be held back for a viewer that is slow; `None` where none is.
    fn held_back(&self) -> Option<Duration> {
        let state = self.state.borrow();
        let patience = state.viewers.iter().filter_map(|viewer| match viewer.patience() {
            Patience::Fine | Patience::Exhausted => None,
            Patience::Left(left) => Some(left),
        });
        patience.max()
    }

    fn repaint(&self, notice: Option<&str>) -> Vec<u8> {
        self.state.borrow_mut().screen.repaint(notice)
    }

    fn describe(&self) -> HeldSession {
        let state = self.state.borrow();
        HeldSession {
            session: self.number,
            program: state
                .master
                .as_deref()
                .and_then(foreground::leader)
                .and_then(foreground::name)
                .unwrap_or_default(),
            title: state.screen.title().to_owned(),
            viewers: u32::try_from(state.viewers.len()).unwrap_or(u32::MAX),
            created_at: epoch_seconds(self.since),
            detached_at: state.left.map(|left| epoch_seconds(left.at)),
            size: state.size,
        }
    }

    fn job(&self) -> Option<Job> {
        let state = self.state.borrow();
        let foreground = state.master.as_deref().and_then(foreground::leader)?;
        let waits = self.kind == Kind::Shell && foreground == self.pid;
        let job = || Job { session: self.number, program: foreground::name(foreground).unwrap_or_default() };
        (!waits).then(job)
    }

    /// The program has ended: everybody is told, and the terminal is gone.
    fn end(&self, exit: &Exit) {
        let mut state = self.state.borrow_mut();
        state.master = None;
        for viewer in state.viewers.drain(..) {
            viewer.end(exit.clone());
        }
    }
}

fn epoch_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl State {
    fn know(&mut self, token: Option<SessionToken>) {
        let Some(token) = token else { return };
        self.known.retain(|known| *known != token);
        if self.known.len() >= MOST_VIEWERS {
            self.known.remove(0);
        }
        self.known.push(token);
    }
}
