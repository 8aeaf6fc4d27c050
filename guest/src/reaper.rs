//! Every child that ends, the orphans that process 1 inherits included.
//!
//! One thread: a program is registered in the same turn in which it is started, so no status can be lost, and a
//! process that was reaped is forgotten in the same turn, so no signal reaches another that got its number.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use nix::libc::{self, c_int};
use nix::sys::signal::killpg;
use nix::unistd::Pid;
use spaces_protocol::frame::{Exit, Signal};
use tokio::signal::unix;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use crate::signals;
use crate::space::Space;

/// Programs that run, and who waits for each.
#[derive(Default)]
pub(crate) struct Children {
    waiting: RefCell<BTreeMap<i32, oneshot::Sender<Exit>>>,
    swept: Notify,
}

/// Whether this process has children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Some,
    None,
}

/// Reaps at each SIGCHLD. One signal may stand for many children.
pub(crate) async fn reap_for_ever(space: Rc<Space>, mut signals: unix::Signal) -> Result<(), Infallible> {
    loop {
        signals.recv().await;
        space.children.sweep();
        space.children.swept.notify_waiters();
    }
}

impl Children {
    /// Registers a program that was started just now; the receiver gets its end.
    pub(crate) fn register(&self, pid: Pid) -> oneshot::Receiver<Exit> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(pid.as_raw(), sender);
        receiver
    }

    /// Sends a signal to a program's process group, if the program has not ended.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) {
        let Some(signal) = signals::to_unix(signal) else {
            return;
        };
        if self.waiting.borrow().contains_key(&pid.as_raw()) {
            // The group may consist of zombies alone: nobody to tell.
            killpg(pid, signal).ok();
        }
    }

    /// Sends a signal to every program's process group.
    pub(crate) fn signal_all(&self, signal: Signal) {
        let pids: Vec<i32> = self.waiting.borrow().keys().copied().collect();
        for pid in pids {
            self.signal(Pid::from_raw(pid), signal);
        }
    }

    /// Reaps what has ended, and says whether anything is left.
    pub(crate) fn sweep(&self) -> Left {
        loop {
            match wait_for_any() {
                Wait::Ended(pid, exit) => {
                    if let (Some(sender), Some(exit)) = (self.waiting.borrow_mut().remove(&pid), exit) {
                        // Whoever waited may be gone with its connection.
                        drop(sender.send(exit));
                    }
                }
                Wait::NoneEnded => return Left::Some,
                Wait::NoChildren => return Left::None,
            }
        }
    }

    /// Waits for the next SIGCHLD after this call, and until its children were reaped.
    pub(crate) fn next_sweep(&self) -> Notified<'_> {
        self.swept.notified()
    }
}

enum Wait {
    Ended(i32, Option<Exit>),
    NoneEnded,
    NoChildren,
}

/// By hand because nix's waitpid fails, after having reaped, on a child that a real-time signal ended.
#[expect(unsafe_code, reason = "nix loses the status of a child that a real-time signal ended")]
fn wait_for_any() -> Wait {
    let mut status: c_int = 0;
    // SAFETY: waitpid writes one int, to a variable that outlives the call.
    match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
        0 => Wait::NoneEnded,
        pid if pid > 0 => Wait::Ended(pid, exit_of(status)),
        // ECHILD: with WNOHANG nothing interrupts, and the arguments are valid.
        _ => Wait::NoChildren,
    }
}

/// `None` for a child that has not ended: stopped or traced.
fn exit_of(status: c_int) -> Option<Exit> {
    if libc::WIFEXITED(status) {
        Some(Exit::Status(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX)))
    } else if libc::WIFSIGNALED(status) {
        let signal = signals::from_number(libc::WTERMSIG(status));
        Some(Exit::Signal { signal, core_dumped: libc::WCOREDUMP(status) })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_says_how_the_program_ended() {
        let killed = |signal, core_dumped| Some(Exit::Signal { signal, core_dumped });
        let table = [
            (0x0000, Some(Exit::Status(0))),
            (0x0700, Some(Exit::Status(7))),
            (0xff00, Some(Exit::Status(255))),
            (0x0009, killed(Signal::Kill, false)),
            (0x008b, killed(Signal::Segv, true)),
            (0x0028, killed(Signal::Other(40), false)),
            (0x137f, None),
            (0xffff, None),
        ];
        for (status, expected) in table {
            assert_eq!(exit_of(status), expected, "{status:#x}");
        }
    }
}
