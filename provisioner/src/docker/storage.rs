//! Where the engine keeps machines, and whether their disk limits hold there.

use std::sync::atomic::{AtomicBool, Ordering};

use spaces_protocol::name::SpaceId;
use tracing::info;

use super::Engine;
use super::facts::Driver;
use crate::quota::{self, Quota};
use crate::{Binding, ProvisionError};

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// The last attempt to look at a quota or to set one succeeded.
    holds: AtomicBool,
}

impl Storage {
    pub(super) fn binding(&self) -> Binding {
        if self.holds.load(Ordering::Relaxed) { Binding::Hard } else { Binding::Soft }
    }
}

impl Engine {
    /// Sets the limit, unless it is set.
    pub(super) async fn bound_disk(&self, space: SpaceId, bytes: Option<u64>) -> Result<(), ProvisionError> {
        if self.facts().await?.driver == Driver::Other {
            return Ok(());
        }
        let Some(run) = self.run(space).await? else { return Ok(()) };
        match quota::read(run.pid).await {
            Ok(quota) if quota.limit == bytes => return Ok(()),
            Ok(_other) => {}
            // Quotas that are off tell nothing, and setting one turns them on, which takes its time.
            Err(_off) => self.storage.holds.store(false, Ordering::Relaxed),
        }
        let set = quota::set(run.pid, bytes).await;
        // One that ended meanwhile says nothing.
        if run.cgroup.stands() {
            self.storage.holds.store(set.is_ok(), Ordering::Relaxed);
            set?;
            info!(%space, bytes, "its disk quota is set");
        }
        Ok(())
    }

    /// What the quota of a machine says; `None` where there is none, or it does not run.
    pub(super) async fn quota(&self, space: SpaceId) -> Result<Option<Quota>, ProvisionError> {
        if self.facts().await?.driver == Driver::Other {
            return Ok(None);
        }
        let Some(run) = self.run(space).await? else { return Ok(None) };
        let read = quota::read(run.pid).await;
        if run.cgroup.stands() {
            self.storage.holds.store(read.is_ok(), Ordering::Relaxed);
        }
        Ok(read.ok())
    }
}
