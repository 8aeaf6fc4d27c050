//! The seam: what a backend promises. Every operation is idempotent and ends within a deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use spaces_protocol::name::SpaceId;

use crate::{
    Binding, Blueprint, Counter, Disk, Egress, ImageName, Progress, ProvisionError, Reading, Writes,
};

/// What the engine says of one Space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It has no machine. In [`Provisioner::observe_all`]: but something of it is left, such as its network.
    Absent,
    /// Its machine runs.
    Running,
    /// Its machine exists and does not run.
    Stopped,
}

/// A hint that a Space's machine started, ended or went away. What is true now, [`Provisioner::observe`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub space: SpaceId,
}

/// What runs. The caller does one operation at a time per Space; different Spaces do not wait for each other.
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// Makes what is missing and starts it. Running already: does nothing.
    async fn ensure_running(&self, blueprint: &Blueprint, progress: &Progress) -> Result<(), ProvisionError>;

    /// Keeps machines apart from each other, from their host and from private networks, as long as there are any.
    /// [`Self::ensure_running`] does so first; this is for what changes behind our back.
    async fn ensure_isolated(&self) -> Result<(), ProvisionError>;

    /// Holds a machine that is there to the blueprint's limits, running or not. Absent: `Ok`.
    async fn ensure_limits(&self, blueprint: &Blueprint) -> Result<(), ProvisionError>;

    /// Whether [`Self::bound_egress`] holds anybody, here.
    fn egress_binding(&self) -> Binding;

    /// Holds what these machines send to these bounds from now on; the amounts also of those that do not run yet.
    async fn bound_egress(&self, bounds: &[(SpaceId, Egress)]) -> Result<(), ProvisionError>;

    /// Whether the storage itself held this machine to [`Blueprint::disk_bytes`] when it was looked at last.
    fn disk_binding(&self, space: SpaceId) -> Binding;

    /// Lets the programs of a machine write to files, or not. One that does not run: `Ok`.
    async fn bound_writes(&self, space: SpaceId, writes: Writes) -> Result<(), ProvisionError>;

    /// Has machines that are refused more processes come after all others where processor time is short, until they have
    /// not tried for a while. Of those that were measured since they run, beside whatever else is done with them; to be
    /// called often.
    async fn weigh_crowds(&self) -> Result<(), ProvisionError>;

    /// Whether this machine comes after all others.
    fn gives_way(&self, space: SpaceId) -> bool;

    /// What each machine that runs uses now.
    async fn measure_all(&self) -> Result<BTreeMap<SpaceId, Reading>, ProvisionError>;

    /// What one machine uses now; `None` of one that does not run.
    async fn measure(&self, space: SpaceId) -> Result<Option<Reading>, ProvisionError>;

    /// What a machine has sent until now, whether or not it runs, in bytes. `None` where that cannot be read.
    async fn measure_egress(&self, space: SpaceId) -> Option<Counter>;

    /// What a machine has on disk beyond its image. Walks its files where the storage has no quota, and sees to it that the
    /// quota is this limit where it has. Absent: `None`.
    async fn measure_disk(&self, space: SpaceId, limit: Option<u64>) -> Result<Option<Disk>, ProvisionError>;

    /// How much of the file system is taken that machines write to, in bytes; `None` where that cannot be told. Where it
    /// does not grow, no machine has written much.
    async fn disk_taken(&self) -> Option<u64>;

    /// Asks the machine to end, and ends it by force after `grace` (whole seconds, rounded up). Absent: `Ok`.
    async fn ensure_stopped(&self, space: SpaceId, grace: Duration) -> Result<(), ProvisionError>;

    /// Removes the machine with all its data, running or not, and its network. Absent: `Ok`.
    async fn ensure_absent(&self, space: SpaceId) -> Result<(), ProvisionError>;

    /// What one Space's machine does now.
    async fn observe(&self, space: SpaceId) -> Result<Observed, ProvisionError>;

    /// Every Space of this installation that the engine holds anything of.
    async fn observe_all(&self) -> Result<BTreeMap<SpaceId, Observed>, ProvisionError>;

    /// Changes from the moment of this call on. Does not end but with an error, when the engine went away:
    /// then call it again, and after that `observe_all`, since what happened between is not replayed.
    fn changes(&self) -> BoxStream<'static, Result<Change, ProvisionError>>;

    /// Whether the engine answers.
    async fn ping(&self) -> Result<(), ProvisionError>;

    /// Whether the image is here, so that a start need not pull it.
    async fn image_exists(&self, image: &ImageName) -> Result<bool, ProvisionError>;
}
