//! Whether a machine's disk limit holds in the engine's storage.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use spaces_protocol::name::SpaceId;
use tracing::warn;

use super::facts::Driver;
use super::running::Run;
use super::{Engine, Machine};
use crate::quota::Quota;
use crate::quota::btrfs::{self, Root};
use crate::quota::xfs::{self, Project};
use crate::{Binding, Blueprint, IsolationError, ProvisionError};

/// How it was with each machine when it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Storage {
    known: Mutex<HashMap<SpaceId, Binding>>,
    /// Held by whoever sets a quota of btrfs.
    setting: tokio::sync::Mutex<()>,
}

impl Storage {
    pub(super) fn binding(&self, space: SpaceId) -> Binding {
        self.known().get(&space).copied().unwrap_or(Binding::Soft)
    }

    pub(super) fn forget(&self, space: SpaceId) {
        self.known().remove(&space);
    }

    pub(super) fn found(&self, space: SpaceId, binding: Binding) {
        self.known().insert(space, binding);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SpaceId, Binding>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Holds a machine to its disk limit, where the storage can. As with the rate: what could not be set is set when its
    /// disk is measured next, and shown as soft until then.
    pub(super) async fn bound_disk(&self, blueprint: &Blueprint) {
        let bounded = async {
            match self.run(blueprint.space).await? {
                Some(run) => self.quota(blueprint.space, &run, blueprint.disk_bytes).await.map(drop),
                None => Ok(()),
            }
        };
        if let Err(error) = bounded.await {
            warn!(space = %blueprint.space, error = &error as &dyn std::error::Error, "its quota could not be set");
        }
    }

    /// Sees to it that the quota of a machine is this limit, and says what is there. `None` where there is no quota.
    pub(super) async fn quota(
        &self,
        space: SpaceId,
        run: &Run,
        limit: Option<u64>,
    ) -> Result<Option<Quota>, ProvisionError> {
        let seen = match &self.facts().await?.driver {
            Driver::Btrfs => btrfs_quota(run, limit, &self.storage.setting).await,
            Driver::Xfs { mount } => xfs_quota(run, mount, limit).await,
            Driver::Other => return Ok(None),
        };
        let binding = seen.as_ref().ok().and_then(Option::as_ref).map_or(Binding::Soft, |quota| quota.held);
        self.storage.found(space, binding);
        Ok(seen?)
    }

    /// The engine makes folders in a machine's layer to start it, for which one that is full has no room: it has until
    /// [`Self::bound_disk`]. Whether some was made.
    pub(super) async fn make_room(&self, machine: &Machine<'_>, limit: Option<u64>) -> bool {
        let made = async {
            let (Driver::Xfs { mount }, Some(limit)) = (&self.facts().await?.driver, limit) else {
                return Ok(false);
            };
            let Some(layer) = machine.layer().await? else { return Ok(false) };
            let Some(project) = Project::of(&layer, mount).await? else { return Ok(false) };
            project.make_room(limit).await?;
            Ok::<_, ProvisionError>(true)
        };
        made.await.unwrap_or_else(|error| {
            warn!(space = %machine.space, error = &error as &dyn std::error::Error, "no room could be made for its start");
            false
        })
    }

    /// How large the engine has to be told that a new machine is, if at all.
    pub(super) async fn storage_size(&self, limit: Option<u64>) -> Result<Option<String>, ProvisionError> {
        match self.facts().await?.driver {
            Driver::Xfs { .. } => Ok(Some(xfs::size(limit))),
            Driver::Btrfs | Driver::Other => Ok(None),
        }
    }
}

async fn btrfs_quota(
    run: &Run,
    limit: Option<u64>,
    setting: &tokio::sync::Mutex<()>,
) -> Result<Option<Quota>, IsolationError> {
    let Ok(root) = Root::of(run.pid) else { return Ok(None) };
    if !run.cgroup.stands() {
        // It ended: the number of its process may be another one's, and so may what was opened.
        return Ok(None);
    }
    btrfs::hold(&root, limit, setting).await.map(Some)
}

async fn xfs_quota(run: &Run, mount: &Path, limit: Option<u64>) -> Result<Option<Quota>, IsolationError> {
    let Some(layer) = &run.layer else { return Ok(None) };
    match Project::of(layer, mount).await? {
        Some(project) => project.hold(limit).await.map(Some),
        None => Ok(None),
    }
}
