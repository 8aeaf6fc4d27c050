//! Whether a machine's disk limit holds in the engine's storage.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use spaces_protocol::name::SpaceId;
use tracing::{info, warn};

use super::Engine;
use super::facts::Driver;
use crate::quota::{self, Quota, Root};
use crate::{Binding, Blueprint, ProvisionError};

/// How it was with each machine when it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Storage(Mutex<HashMap<SpaceId, Binding>>);

impl Storage {
    pub(super) fn binding(&self, space: SpaceId) -> Binding {
        self.known().get(&space).copied().unwrap_or(Binding::Soft)
    }

    pub(super) fn forget(&self, space: SpaceId) {
        self.known().remove(&space);
    }

    fn found(&self, space: SpaceId, binding: Binding) {
        self.known().insert(space, binding);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SpaceId, Binding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Holds a machine to its disk limit, where the storage can. As with the rate: what could not be set is set when its
    /// disk is measured next, and shown as soft until then.
    pub(super) async fn bound_disk(&self, blueprint: &Blueprint) {
        if let Err(error) = self.quota(blueprint.space, blueprint.disk_bytes).await {
            warn!(space = %blueprint.space, error = &error as &dyn std::error::Error, "its quota could not be set");
        }
    }

    /// Sees to it that the quota of a machine is this limit, and says what is there. `None` where there is no quota, or it
    /// does not run.
    pub(super) async fn quota(
        &self,
        space: SpaceId,
        limit: Option<u64>,
    ) -> Result<Option<Quota>, ProvisionError> {
        if self.facts().await?.driver == Driver::Other {
            return Ok(None);
        }
        let Some(run) = self.run(space).await? else { return Ok(None) };
        let Ok(root) = Root::of(run.pid) else { return Ok(None) };
        if !run.cgroup.stands() {
            // It ended: the number of its process may be another one's, and so may what was opened.
            return Ok(None);
        }
        let seen = match quota::read(&root).await {
            Ok(quota) if quota.limit == limit => Ok(quota),
            read => {
                self.storage.found(space, Binding::Soft);
                quota::set(&root, limit, read.is_err()).await?;
                info!(%space, limit, "its disk quota is set");
                quota::read(&root).await
            }
        };
        let binding = seen.as_ref().map_or(Binding::Soft, |quota| quota.held);
        self.storage.found(space, binding);
        Ok(Some(seen?))
    }
}
