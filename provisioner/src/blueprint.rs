//! What a Space is to be made of. Plain values: nothing here has been asked of an engine.

use std::path::PathBuf;

use spaces_protocol::name::SpaceId;

use crate::{Egress, ImageName};

/// All that is needed to make a Space's machine. What exists already is adopted as it is: a blueprint that
/// changed does not change a machine that was made from the older one, but for its limits, where that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// Whose machine this is.
    pub space: SpaceId,
    /// The name the machine calls itself, at most 63 letters, digits and dashes.
    pub hostname: String,
    /// Its filesystem.
    pub image: ImageName,
    /// Processor time, in thousandths of a core; at most the cores that the host has.
    pub cpu_millis: u32,
    /// Memory in MiB; there is no swap on top of it.
    pub memory_mib: u32,
    /// Most processes and threads at a time.
    pub pids: u32,
    /// What it may send.
    pub egress: Egress,
    /// How much it may write beyond its image, in bytes; `None` is without end. Held to by the storage, where that can.
    pub disk_bytes: Option<u64>,
    /// The static guest program, as an absolute path on the engine's host.
    pub guest: PathBuf,
    /// The folder of the gateway's socket for this Space, as an absolute path on the engine's host. The folder
    /// and not the socket: a gateway that restarts makes a new socket.
    pub socket_folder: PathBuf,
}
