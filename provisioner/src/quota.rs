//! The disk limit by the storage's own quota, where the engine keeps machines on a file system that has one.

pub(crate) mod btrfs;
pub(crate) mod xfs;

use crate::Binding;

/// What the quota of a machine says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// What it holds beyond its image, subvolumes of its own included.
    pub(crate) bytes: u64,
    /// How much it may hold; `None` is without end.
    pub(crate) limit: Option<u64>,
    /// Whether all of it is held to that.
    pub(crate) held: Binding,
}
