//! Descriptors that a runtime watches.

use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that is watched, and stays the one that it is.
pub struct Watched(AsyncFd<Arc<OwnedFd>>);

/// Has the runtime watch this descriptor for this and nothing else.
#[expect(
    unsafe_code,
    reason = "the runtime cannot see that a descriptor stays open; the safe call is deprecated"
)]
pub fn watch(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<Watched> {
    // SAFETY: an `OwnedFd` is open until it is dropped, the `AsyncFd` has a share of it, and nobody gets a `&mut` to that
    // share, to put another in its place: `Watched` gives none.
    Ok(Watched(unsafe { AsyncFd::register_with_interest(fd, interest) }?))
}

impl Watched {
    /// The descriptor, watched no more.
    #[must_use]
    pub fn into_inner(self) -> Arc<OwnedFd> {
        self.0.into_inner()
    }
}

impl Deref for Watched {
    type Target = AsyncFd<Arc<OwnedFd>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
