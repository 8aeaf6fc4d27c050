//! Every Space's door, by id: opened when a Space is to run, shut when it is deleted.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use spaces_protocol::frame::{FromGuest, JOBS_SINCE, Job, SOCKET_PATH, Task, ToGuest};
use spaces_protocol::name::SpaceId;
use spaces_provisioner::MappedRoot;
use tokio::sync::mpsc;

use super::door::{Door, HoldAsked, Notices};
use super::socket::{GuestReader, GuestWriter};

/// Programs in Spaces that ask for something at once.
const ASKING: usize = 64;

/// The doors of all Spaces.
pub(crate) struct Hub {
    folder: PathBuf,
    /// Whose the sockets are, where root of a Space is somebody else here.
    mapped_root: Option<MappedRoot>,
    holds: mpsc::Sender<HoldAsked>,
    doors: Mutex<HashMap<SpaceId, Arc<Door>>>,
}

/// Why a guest could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubError {
    /// No guest of that Space dialled in time.
    #[error("the guest does not answer")]
    Silent,
    /// Its machine has ended, and the guest with it.
    #[error("its machine has ended")]
    Ended,
    /// It spoke out of turn, or the socket failed.
    #[error("talking with the guest failed")]
    Broken(#[from] io::Error),
}

/// Why it is not known what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoJobs {
    /// The guest is older than the question.
    Unknown,
    /// It does not answer.
    Silent,
}

impl Hub {
    /// A hub whose sockets live below this folder, and what programs in Spaces ask for.
    pub(crate) fn new(folder: PathBuf, mapped_root: Option<MappedRoot>) -> (Self, mpsc::Receiver<HoldAsked>) {
        let (holds, asked) = mpsc::channel(ASKING);
        (Self { folder, mapped_root, holds, doors: Mutex::default() }, asked)
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
        self.opened(space).ok_or(HubError::Silent)?.channel().await
    }

    /// Its machine has ended: whoever waits for its guest waits in vain.
    pub(crate) fn ended(&self, space: SpaceId) {
        if let Some(door) = self.opened(space) {
            door.ended();
        }
    }

    /// What runs in the foreground of this Space's held terminals.
    pub(crate) async fn jobs(&self, space: SpaceId) -> Result<Vec<Job>, NoJobs> {
        let door = self.opened(space).ok_or(NoJobs::Silent)?;
        // 0 is one that has not come yet.
        if (1..JOBS_SINCE).contains(&door.guest_version()) {
            return Err(NoJobs::Unknown);
        }
        let (mut reader, mut writer) = door.channel().await.map_err(|_error| NoJobs::Silent)?;
        let told = async {
            writer.message(ToGuest::Begin(Task::ListJobs)).await?;
            reader.message().await
        };
        match told.await {
            Ok(FromGuest::Jobs(jobs)) => Ok(jobs),
            Ok(_) | Err(_) => Err(NoJobs::Silent),
        }
    }

    /// Tells whoever is at a terminal in this Space now.
    pub(crate) fn announce(&self, space: SpaceId, text: &str) {
        if let Some(door) = self.opened(space) {
            door.notices().send_replace(Arc::from(text));
        }
    }

    /// What will be told at terminals in this Space from now on.
    pub(crate) fn notices(&self, space: SpaceId) -> Option<Notices> {
        self.opened(space).map(|door| door.notices().subscribe())
    }

    /// How much has passed between people and this Space.
    pub(crate) fn passed(&self, space: SpaceId) -> u64 {
        self.opened(space).map_or(0, |door| door.gate().traffic.passed())
    }

    /// Somebody comes in; false where the Space is being stopped for want of work, or has no door.
    pub(crate) fn enter(&self, space: SpaceId) -> bool {
        self.opened(space).is_some_and(|door| door.gate().enter())
    }

    /// Lets nobody in any more, unless something has passed since so much had.
    pub(crate) fn close_if_quiet(&self, space: SpaceId, passed: u64) -> bool {
        self.opened(space).is_some_and(|door| door.gate().close_if_quiet(passed))
    }

    /// Lets people in again.
    pub(crate) fn let_in(&self, space: SpaceId) {
        if let Some(door) = self.opened(space) {
            door.gate().open();
        }
    }

    /// Not opened here: a Space that is being deleted must not get its door back.
    fn opened(&self, space: SpaceId) -> Option<Arc<Door>> {
        self.lock().get(&space).map(Arc::clone)
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
        let door = Arc::new(Door::open(space, &folder, &self.holds)?);
        if let Some(MappedRoot { uid, gid }) = self.mapped_root {
            let socket = folder.join(Path::new(SOCKET_PATH).file_name().unwrap_or_default());
            for path in [&folder, &socket] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
            }
        }
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
