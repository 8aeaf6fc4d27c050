//! How many files may be open. Process 1 needs several for each channel; programs keep what the engine gave.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Five descriptors a channel and a reserve: enough for every channel that is admitted.
const WANTED: rlim_t = 8192;

/// The limit as process 1 found it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenFiles {
    soft: rlim_t,
    hard: rlim_t,
}

impl OpenFiles {
    /// Raises this process's own limit as far as is allowed and useful; `None` if nothing was changed.
    pub(crate) fn raise() -> Option<Self> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        let raised = WANTED.min(hard);
        if soft >= raised {
            return None;
        }
        setrlimit(Resource::RLIMIT_NOFILE, raised, hard).ok()?;
        Some(Self { soft, hard })
    }

    /// In a program's process: what it would have had without us. Programs that use select(2) break above 1024.
    pub(crate) fn restore(self) -> nix::Result<()> {
        setrlimit(Resource::RLIMIT_NOFILE, self.soft, self.hard)
    }
}
