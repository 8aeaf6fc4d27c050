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
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use spaces_protocol::frame::{Attach, AttachPurpose, Exit, HeldSession, Showing, Signal, WindowSize};
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

/// Why a terminal is not shown. The text is for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// [`MOST`] are there.
    #[error("too many sessions are held in this Space; `session kill` ends one")]
    TooMany,
    /// No such number or token.
    #[error("no such session: `session list` shows those that are there")]
    Absent,
    /// Nothing to go on in.
    #[error("no session is detached: `session list` shows those that are there")]
    NoneDetached,
    /// Somebody is in it.
    #[error("somebody is in that session: `--take` sends them away, `--watch` looks on")]
    Occupied,
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
    token: Option<SessionToken>,
    pid: Pid,
    /// Where programs in it look for the agent, whoever lends one.
    agent: Option<AgentLink>,
    since: Instant,
    state: RefCell<State>,
    /// Wakes the keeper.
    changed: Notify,
    /// Wakes whoever has input that did not fit.
    room: Notify,
}

struct State {
    /// None once the program has ended: then the kernel hangs up on what it left behind.
    master: Option<Rc<Descriptor>>,
    screen: Screen,
    size: WindowSize,
    input: Queue,
    viewers: Vec<Rc<Viewer>>,
    left: Option<Instant>,
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
        token: Option<SessionToken>,
        agent: Option<AgentLink>,
    ) -> Rc<Session> {
        let number = SessionNumber(self.last.get().saturating_add(1));
        self.last.set(number.0);
        let state = State {
            master: Some(master),
            screen: Screen::new(size),
            size,
            input: Queue::default(),
            viewers: Vec::new(),
            left: None,
        };
        let session = Rc::new(Session {
            number,
            token,
            pid,
            agent,
            since: Instant::now(),
            state: RefCell::new(state),
            changed: Notify::new(),
            room: Notify::new(),
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
            AttachPurpose::GoOn if session.is_occupied() => Err(SessionError::Occupied),
            AttachPurpose::GoOn | AttachPurpose::Take | AttachPurpose::Watch => Ok(session),
        }
    }

    /// The terminal of this name.
    pub(crate) fn find(&self, reference: &SessionReference) -> Option<Rc<Session>> {
        let all = self.all.borrow();
        match reference {
            SessionReference::Number(number) => all.get(number).map(Rc::clone),
            SessionReference::Token(token) => {
                all.values().find(|session| session.token.as_ref() == Some(token)).map(Rc::clone)
            }
        }
    }

    /// All of them, for a person.
    pub(crate) fn list(&self) -> Vec<HeldSession> {
        self.all.borrow().values().map(|session| session.describe()).collect()
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
        self.state.borrow().left.map(|left| left.elapsed())
    }

    fn is_occupied(&self) -> bool {
        self.state.borrow().viewers.iter().any(|viewer| viewer.purpose() != AttachPurpose::Watch)
    }

    /// One more who sees it. Whoever takes it sends the others away who go on in it; who looks on may stay.
    fn join(&self, purpose: AttachPurpose, size: WindowSize) -> Rc<Viewer> {
        if purpose == AttachPurpose::Take {
            self.state.borrow().viewers.iter().for_each(|viewer| viewer.send_away());
        }
        if purpose != AttachPurpose::Watch {
            self.resize(size);
        }
        let viewer = Rc::new(Viewer::new(purpose));
        let mut state = self.state.borrow_mut();
        if purpose == AttachPurpose::Take {
            state.viewers.retain(|viewer| viewer.purpose() == AttachPurpose::Watch);
        }
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
            state.left = Some(Instant::now());
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
            program: state.master.as_deref().and_then(foreground::program).unwrap_or_default(),
            title: state.screen.title().to_owned(),
            viewers: u32::try_from(state.viewers.len()).unwrap_or(u32::MAX),
            age: self.since.elapsed().as_secs(),
            away: state.left.map(|left| left.elapsed().as_secs()),
            size: state.size,
        }
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

/// What asks a held program to end. A shell ends by HUP, which it passes on to its jobs.
pub(crate) const HANG_UP: Signal = Signal::Hup;
