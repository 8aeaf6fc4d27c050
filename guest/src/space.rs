//! What all channels of this Space share. One thread: cells, no locks.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::buffers::Buffers;
use crate::limits::OpenFiles;
use crate::listener::Accepted;
use crate::reaper::Children;
use crate::session::Sessions;

/// Most channels that run at once: a thousand programs are a runaway client, not a person.
pub(crate) const MAX_CHANNELS: u32 = 1024;

/// The Space as its process 1 sees it.
pub(crate) struct Space {
    /// The gateway's socket.
    pub(crate) socket: PathBuf,
    /// Programs that have not ended.
    pub(crate) children: Children,
    /// Memory for bytes on their way.
    pub(crate) buffers: Rc<Buffers>,
    /// What process 1 got from the image, before any login.
    pub(crate) image_environment: Vec<(OsString, OsString)>,
    /// What a program may open, before process 1 raised its own.
    pub(crate) open_files: Option<OpenFiles>,
    /// Connections to where somebody listens, that no channel carries yet.
    pub(crate) accepted: Accepted,
    /// Terminals that outlive their channels.
    pub(crate) sessions: Sessions,
    channels: Arc<Semaphore>,
    stopping: Cell<bool>,
}

/// Why no more programs start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Full {
    /// [`MAX_CHANNELS`] are running.
    #[error("too many programs at once in this Space")]
    TooMany,
    /// The Space goes down.
    #[error("this Space is stopping")]
    Stopping,
}

impl Space {
    /// A Space without programs.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            children: Children::default(),
            buffers: Rc::new(Buffers::default()),
            image_environment: std::env::vars_os().collect(),
            open_files: OpenFiles::raise(),
            accepted: Accepted::default(),
            sessions: Sessions::default(),
            channels: Arc::new(Semaphore::new(MAX_CHANNELS as usize)),
            stopping: Cell::new(false),
        }
    }

    /// The right to run one channel, until it is dropped.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, Full> {
        if self.stopping.get() {
            return Err(Full::Stopping);
        }
        Arc::clone(&self.channels).try_acquire_owned().map_err(|refusal| match refusal {
            TryAcquireError::NoPermits => Full::TooMany,
            TryAcquireError::Closed => Full::Stopping,
        })
    }

    /// Admits no more channels.
    pub(crate) fn close_the_door(&self) {
        self.stopping.set(true);
    }

    /// Waits until no channel runs.
    pub(crate) async fn all_channels_closed(&self) {
        drop(self.channels.acquire_many(MAX_CHANNELS).await);
    }
}
