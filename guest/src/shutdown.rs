//! The end of the Space: everything is asked to end, then made to.

use std::process;
use std::time::Duration;

use nix::sys::signal::{Signal as UnixSignal, kill};
use nix::unistd::Pid;
use spaces_protocol::frame::Signal;
use tokio::time;

use crate::reaper::Left;
use crate::signals;
use crate::space::Space;

/// How long programs have to end by themselves; the engine gives a container ten seconds in all.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the last exit statuses have to reach the gateway, and killed programs to be reaped.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What asks a program to end: shells end by HUP, services by TERM, and what is stopped notices by CONT.
const REQUESTS: [Signal; 3] = [Signal::Hup, Signal::Term, Signal::Other(UnixSignal::SIGCONT as u8)];

/// Ends every program, and returns when none is left.
pub(crate) async fn stop(space: &Space) {
    space.close_the_door();
    for request in REQUESTS {
        signal_everything(space, request);
    }
    if time::timeout(PATIENCE, no_child_left(space)).await.is_err() {
        signal_everything(space, Signal::Kill);
        drop(time::timeout(LAST_WORDS, no_child_left(space)).await);
    }
    drop(time::timeout(LAST_WORDS, space.all_channels_closed()).await);
}

/// As process 1, every process of the container; otherwise (in tests) our own programs.
fn signal_everything(space: &Space, signal: Signal) {
    if process::id() != 1 {
        return space.children.signal_all(signal);
    }
    if let Some(signal) = signals::to_unix(signal) {
        // An error says that there is nobody.
        kill(Pid::from_raw(-1), signal).ok();
    }
}

async fn no_child_left(space: &Space) {
    loop {
        // Before looking: an end between the look and the wait is not missed.
        let next_sweep = space.children.next_sweep();
        if space.children.sweep() == Left::None {
            return;
        }
        next_sweep.await;
    }
}
