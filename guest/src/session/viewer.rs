//! One who sees a held terminal: what is on its way to them, and how long the program waits for them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spaces_protocol::frame::{AttachPurpose, Exit};
use spaces_protocol::session::SessionToken;
use tokio::sync::Notify;

/// On its way to a viewer before the program is held back.
const FULL: usize = 256 * 1024;

/// What a piece costs beside its bytes.
const ENTRY: usize = 64;

/// How long the program is held back for one who goes on in it and takes nothing: a slow line is waited for, a
/// laptop that sleeps is not.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a viewer gets next.
pub(crate) enum Next {
    /// Output.
    Output(Bytes),
    /// Too much was missed: the screen as it is now.
    Repaint,
    /// The program ended.
    Ended(Exit),
    /// Somebody else has taken the terminal.
    Taken,
}

/// Whether the program waits for a viewer.
pub(crate) enum Patience {
    /// There is nothing to wait for.
    Fine,
    /// For so long at most.
    Left(Duration),
    /// No more: it gets the screen when it comes back.
    Exhausted,
}

/// One who sees a held terminal.
pub(crate) struct Viewer {
    purpose: AttachPurpose,
    /// What its client calls itself.
    token: Option<SessionToken>,
    sent_away: Cell<bool>,
    outbox: RefCell<Outbox>,
    news: Notify,
}

struct Outbox {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    full_since: Option<Instant>,
    repaint: Repaint,
    end: Option<Next>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repaint {
    /// What is on its way follows on what was seen.
    NotDue,
    /// First thing.
    Due,
}

impl Viewer {
    /// Begins with the screen as it is.
    pub(crate) fn new(purpose: AttachPurpose, token: Option<SessionToken>) -> Self {
        let outbox =
            Outbox { pieces: VecDeque::new(), bytes: 0, full_since: None, repaint: Repaint::Due, end: None };
        Self {
            purpose,
            token,
            sent_away: Cell::new(false),
            outbox: RefCell::new(outbox),
            news: Notify::new(),
        }
    }

    /// Begins with the next output instead: there is nothing to draw yet.
    pub(crate) fn begin_with_output(&self) {
        self.outbox.borrow_mut().repaint = Repaint::NotDue;
    }

    pub(crate) fn purpose(&self) -> AttachPurpose {
        self.purpose
    }

    /// Whether it is a client of this name.
    pub(crate) fn is(&self, token: Option<&SessionToken>) -> bool {
        token.is_some() && self.token.as_ref() == token
    }

    /// Whether somebody else has its place: what it types goes nowhere, though it may not know yet.
    pub(crate) fn is_sent_away(&self) -> bool {
        self.sent_away.get()
    }

    /// Puts output on its way, as long as it is sure to be taken some day.
    pub(crate) fn show(&self, bytes: &[u8]) {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.repaint == Repaint::Due {
            return;
        }
        if outbox.bytes >= FULL && self.waits_in_vain(&outbox) {
            outbox.pieces.clear();
            outbox.bytes = 0;
            outbox.full_since = None;
            outbox.repaint = Repaint::Due;
        } else {
            outbox.bytes += bytes.len() + ENTRY;
            outbox.pieces.push_back(Bytes::copy_from_slice(bytes));
            if outbox.bytes >= FULL && outbox.full_since.is_none() {
                outbox.full_since = Some(Instant::now());
            }
        }
        drop(outbox);
        self.news.notify_one();
    }

    fn waits_in_vain(&self, outbox: &Outbox) -> bool {
        self.purpose == AttachPurpose::Watch
            || outbox.full_since.is_some_and(|since| since.elapsed() >= PATIENCE)
    }

    /// Whether the program is to be held back for it.
    pub(crate) fn patience(&self) -> Patience {
        let outbox = self.outbox.borrow();
        match outbox.full_since {
            None => Patience::Fine,
            Some(_) if self.waits_in_vain(&outbox) => Patience::Exhausted,
            Some(since) => Patience::Left(PATIENCE.saturating_sub(since.elapsed())),
        }
    }

    /// What comes next. Dropping the wait loses nothing.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.news.notified().await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.repaint == Repaint::Due {
            outbox.repaint = Repaint::NotDue;
            return Some(Next::Repaint);
        }
        if let Some(piece) = outbox.pieces.pop_front() {
            outbox.bytes -= piece.len() + ENTRY;
            if outbox.bytes < FULL {
                outbox.full_since = None;
            }
            return Some(Next::Output(piece));
        }
        outbox.end.take()
    }

    /// Somebody else takes its place. What is on its way is of no use to it any more.
    pub(crate) fn send_away(&self) {
        self.sent_away.set(true);
        let mut outbox = self.outbox.borrow_mut();
        drop(mem::take(&mut outbox.pieces));
        outbox.bytes = 0;
        outbox.full_since = None;
        outbox.repaint = Repaint::NotDue;
        outbox.end = Some(Next::Taken);
        drop(outbox);
        self.news.notify_one();
    }

    /// The program has ended.
    pub(crate) fn end(&self, exit: Exit) {
        self.outbox.borrow_mut().end = Some(Next::Ended(exit));
        self.news.notify_one();
    }
}
