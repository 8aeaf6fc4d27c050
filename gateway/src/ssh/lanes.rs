//! The threads that carry connections, one for each core.
//!
//! A connection stays on one of them with all its tasks: what arrives is decrypted, handed to the relay and
//! written to the guest without another thread being woken in between. On a shared pool of threads an echo takes
//! a fifth longer, and bulk transfers lose a third of their rate.

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Threads with a runtime each; they end when this is dropped.
pub(crate) struct Lanes {
    first: Handle,
    others: Vec<Handle>,
    next: AtomicUsize,
    _running: DropGuard,
}

impl Lanes {
    /// Starts them.
    pub(crate) fn start() -> io::Result<Self> {
        let stop = CancellationToken::new();
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let first = start_one(stop.clone())?;
        let others = (1..cores).map(|_| start_one(stop.clone())).collect::<io::Result<_>>()?;
        Ok(Self { first, others, next: AtomicUsize::new(0), _running: stop.drop_guard() })
    }

    /// The one for the next connection, in turn.
    pub(crate) fn next(&self) -> &Handle {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
        self.others.get(turn).unwrap_or(&self.first)
    }
}

fn start_one(stop: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("lane".to_owned()).spawn(move || runtime.block_on(stop.cancelled()))?;
    Ok(handle)
}
