//! Every Space's door, by id: opened when a Space is to run, shut when it is deleted.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use spaces_protocol::name::SpaceId;

use super::door::Door;
use super::socket::{GuestReader, GuestWriter};

/// The doors of all Spaces.
pub(crate) struct Hub {
    folder: PathBuf,
    doors: Mutex<HashMap<SpaceId, Arc<Door>>>,
}

/// Why a guest could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubError {
    /// No guest of that Space dialled in time.
    #[error("the guest does not answer")]
    Silent,
    /// It spoke out of turn, or the socket failed.
    #[error("talking with the guest failed")]
    Broken(#[from] io::Error),
}

impl Hub {
    /// A hub whose sockets live below this folder.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, doors: Mutex::default() }
    }

    /// The folder that is mounted into this Space.
    pub(crate) fn socket_folder(&self, space: SpaceId) -> PathBuf {
        self.folder.join(space.to_string())
    }

    /// Listens for this Space's guest, if that is not done yet. Must come before its container starts.
    pub(crate) fn open_door(&self, space: SpaceId) -> io::Result<()> {
        self.door(space).map(drop)
    }

    /// One more channel into this Space.
    pub(crate) async fn channel(&self, space: SpaceId) -> Result<(GuestReader, GuestWriter), HubError> {
        // Not opened here: a Space that is being deleted must not get its door back.
        let door = self.lock().get(&space).map(Arc::clone).ok_or(HubError::Silent)?;
        door.channel().await
    }

    /// What this Space's guest speaks that connected last.
    pub(crate) fn guest_version(&self, space: SpaceId) -> Option<u16> {
        self.lock().get(&space).map(|door| door.guest_version())
    }

    /// Whether this Space's guest, which has given a channel, knows what came with that version.
    pub(crate) fn guest_knows(&self, space: SpaceId, version: u16) -> bool {
        self.guest_version(space).is_some_and(|spoken| spoken >= version)
    }

    /// Stops listening and removes the folder. Idempotent.
    pub(crate) fn shut_door(&self, space: SpaceId) -> io::Result<()> {
        self.lock().remove(&space);
        match std::fs::remove_dir_all(self.socket_folder(space)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Ids of the folders that are there, of Spaces alive or not.
    pub(crate) fn folders(&self) -> io::Result<Vec<SpaceId>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    fn door(&self, space: SpaceId) -> io::Result<Arc<Door>> {
        let mut doors = self.lock();
        if let Some(door) = doors.get(&space) {
            return Ok(Arc::clone(door));
        }
        let folder = self.socket_folder(space);
        make_private(&self.folder)?;
        make_private(&folder)?;
        let door = Arc::new(Door::open(space, &folder)?);
        doors.insert(space, Arc::clone(&door));
        Ok(door)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SpaceId, Arc<Door>>> {
        // A panic while the map was held leaves a map that is whole: each change is one call.
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
