//! One operation at a time for each Space.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spaces_protocol::name::SpaceId;
use tokio::sync::OwnedMutexGuard;

#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<SpaceId, Arc<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// Waits for its turn. Each step of an operation has a deadline, a pull that of its progress.
    pub(crate) async fn hold(&self, space: SpaceId) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(self.lock().entry(space).or_default());
        lock.lock_owned().await
    }

    /// Its turn, if nobody has it.
    pub(crate) fn try_hold(&self, space: SpaceId) -> Option<OwnedMutexGuard<()>> {
        let lock = Arc::clone(self.lock().entry(space).or_default());
        lock.try_lock_owned().ok()
    }

    /// Drops the entry of a Space that is gone; whoever still waits keeps the lock alive.
    pub(crate) fn forget(&self, space: SpaceId) {
        self.lock().remove(&space);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SpaceId, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
