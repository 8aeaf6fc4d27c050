//! What the engine says of itself that machines depend on. Asked once: an engine that is set up otherwise holds other
//! machines.

use std::path::{Path, PathBuf};

use tracing::warn;

use super::Engine;
use super::deadline::{CALL, within};
use crate::quota::xfs;
use crate::{MappedRoot, ProvisionError};

/// How the engine is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) driver: Driver,
    mapped_root: Option<MappedRoot>,
    runtimes: Vec<String>,
}

/// How the engine's storage driver keeps machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Driver {
    /// As subvolumes, for which there are quotas.
    Btrfs,
    /// As folders of XFS with quotas of projects.
    Xfs {
        /// Where it is mounted.
        mount: PathBuf,
    },
    /// Without quotas that bind.
    Other,
}

impl Engine {
    pub(super) async fn facts(&self) -> Result<&Facts, ProvisionError> {
        self.facts
            .get_or_try_init(async || {
                let info = within("tell how it is set up", CALL, self.client().await?.info()).await?;
                let mapped =
                    info.security_options.unwrap_or_default().iter().any(|option| option == "name=userns");
                let data = info.docker_root_dir.unwrap_or_default();
                let mapped_root = if mapped { root_of(&data) } else { None };
                let driver = match info.driver.as_deref() {
                    Some("btrfs") => Driver::Btrfs,
                    // Whose users are not mapped may give a file to any project, another machine's too.
                    Some("overlay2") if mapped => {
                        xfs_of(data).await.map_or(Driver::Other, |mount| Driver::Xfs { mount })
                    }
                    Some(_) | None => Driver::Other,
                };
                let runtimes = info.runtimes.unwrap_or_default().into_keys().collect();
                Ok(Facts { driver, mapped_root, runtimes })
            })
            .await
    }

    /// Whether the engine is set up as the configuration says: a machine that is made otherwise would not work, or not
    /// be what the operator thinks.
    pub(super) async fn expect_facts(&self) -> Result<(), ProvisionError> {
        let facts = self.facts().await?;
        if facts.mapped_root != self.settings.mapped_root {
            return Err(ProvisionError::OtherUsers { engine: facts.mapped_root });
        }
        match &self.settings.runtime {
            Some(runtime) if !facts.runtimes.contains(runtime) => {
                Err(ProvisionError::UnknownRuntime { runtime: runtime.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Where XFS is mounted that has this folder and keeps quotas.
async fn xfs_of(data: String) -> Option<PathBuf> {
    const SOFT: &str = "disk limits are soft here";
    let found = tokio::task::spawn_blocking(move || xfs::mount_of(Path::new(&data))).await;
    let found = found.unwrap_or_else(|crash| Err(crash.into()));
    let mount =
        found.inspect_err(|error| warn!(error = error as &dyn std::error::Error, "{SOFT}")).ok()??;
    xfs::try_out(&mount)
        .await
        .inspect_err(|error| warn!(error = error as &dyn std::error::Error, "{SOFT}"))
        .ok()?;
    Some(mount)
}

/// An engine that maps users keeps its data in a folder of that name.
fn root_of(data: &str) -> Option<MappedRoot> {
    let (uid, gid) = Path::new(data).file_name()?.to_str()?.split_once('.')?;
    format!("{uid}:{gid}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapped_root_is_read_from_the_engines_folder() {
        assert_eq!(root_of("/var/lib/docker/100000.100001"), Some(MappedRoot { uid: 100_000, gid: 100_001 }));
        assert_eq!(root_of("/var/lib/docker"), None);
    }
}
