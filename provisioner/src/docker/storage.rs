//! Whether a machine's disk limit holds in the engine's storage.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use spaces_protocol::name::SpaceId;
use tracing::{info, warn};

use super::facts::Driver;
use super::running::Run;
use super::{Engine, Machine};
use crate::quota::Quota;
use crate::quota::btrfs::{self, Root};
use crate::quota::xfs::{self, Project};
use crate::{Binding, Blueprint, IsolationError, ProvisionError};

/// For what the engine makes to start a machine, where nobody's program runs before the limit is back.
const ROOM: u64 = 1 << 20;

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
        let driver = &self.facts().await?.driver;
        if *driver == Driver::Other {
            return Ok(None);
        }
        let Some(run) = self.run(space).await? else { return Ok(None) };
        let seen = match driver {
            Driver::Btrfs => self.btrfs_quota(space, &run, limit).await,
            Driver::Xfs { mount } => self.xfs_quota(space, &run, mount, limit).await,
            Driver::Other => Ok(None),
        };
        if let Ok(None) = seen {
            return Ok(None);
        }
        let binding = seen.as_ref().ok().and_then(Option::as_ref).map_or(Binding::Soft, |quota| quota.held);
        self.storage.found(space, binding);
        Ok(seen?)
    }

    async fn btrfs_quota(
        &self,
        space: SpaceId,
        run: &Run,
        limit: Option<u64>,
    ) -> Result<Option<Quota>, IsolationError> {
        let Ok(root) = Root::of(run.pid) else { return Ok(None) };
        if !run.cgroup.stands() {
            // It ended: the number of its process may be another one's, and so may what was opened.
            return Ok(None);
        }
        match btrfs::read(&root).await {
            Ok(quota) if quota.limit == limit => Ok(Some(quota)),
            read => {
                self.storage.found(space, Binding::Soft);
                btrfs::set(&root, limit, read.is_err()).await?;
                info!(%space, limit, "its disk quota is set");
                btrfs::read(&root).await.map(Some)
            }
        }
    }

    async fn xfs_quota(
        &self,
        space: SpaceId,
        run: &Run,
        mount: &Path,
        limit: Option<u64>,
    ) -> Result<Option<Quota>, IsolationError> {
        let Some(layer) = &run.layer else { return Ok(None) };
        let Some(project) = Project::of(layer, mount).await? else { return Ok(None) };
        let limit = xfs::kept(limit);
        let quota = project.read().await?;
        if quota.limit == limit {
            return Ok(Some(quota));
        }
        self.storage.found(space, Binding::Soft);
        project.set(limit).await?;
        let quota = project.read().await?;
        if quota.limit != limit {
            return Err(IsolationError::NoQuota);
        }
        info!(%space, limit, "its disk quota is set");
        Ok(Some(quota))
    }

    /// The engine makes folders in a machine's layer to start it, for which one that is full has no room. It has until
    /// [`Self::bound_disk`].
    pub(super) async fn make_room(&self, machine: &Machine<'_>, limit: Option<u64>) {
        let (Some(limit), None) = (limit, self.runs.present(machine.space)) else { return };
        let made = async {
            let Driver::Xfs { mount } = &self.facts().await?.driver else { return Ok(()) };
            let Some(layer) = machine.layer().await? else { return Ok(()) };
            let Some(project) = Project::of(&layer, mount).await? else { return Ok(()) };
            let used = project.read().await?.bytes;
            // The limit may have been lowered to below that.
            let most = limit.max(used).saturating_add(ROOM);
            Ok::<_, ProvisionError>(project.set(Some(most)).await?)
        };
        if let Err(error) = made.await {
            warn!(space = %machine.space, error = &error as &dyn std::error::Error, "it may be too full to start");
        }
    }

    /// How large the engine has to be told that a new machine is, if at all.
    pub(super) async fn storage_size(&self, limit: Option<u64>) -> Result<Option<String>, ProvisionError> {
        match self.facts().await?.driver {
            Driver::Xfs { .. } => Ok(Some(xfs::size(limit))),
            Driver::Btrfs | Driver::Other => Ok(None),
        }
    }
}
