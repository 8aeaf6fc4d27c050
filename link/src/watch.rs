//! Descriptors that a runtime watches.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch this descriptor for this and nothing else.
#[expect(
    unsafe_code,
    reason = "the runtime cannot see that a descriptor stays open; the safe call is deprecated"
)]
pub fn watch(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an `OwnedFd` is open, and the same, until it is dropped, and the `AsyncFd` has a share of it that gives
    // nobody the right to replace it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}
