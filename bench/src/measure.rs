//! The measurements, a file each.

mod approve;
mod attach;
mod bulk;
mod cold;
mod echo;
mod files;
mod forward;
mod idle;
mod neighbours;
mod rate;
mod reconcile;
mod rest;
mod scale;
mod shared;

use crate::lab::Lab;
use crate::row::Row;

/// What can be measured, in the order in which it is: memory first, while the gateway is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Measurement {
    /// Resident memory before the others
    Rest,
    /// Memory of held idle connections
    Idle,
    /// A command over a new connection
    Cold,
    /// A command over a connection that is there
    Shared,
    /// One byte there and back
    Echo,
    /// Many bytes, each way
    Bulk,
    /// Files by sftp, scp and rsync
    Files,
    /// Connections through -L
    Forward,
    /// New connections by several clients at once
    Rate,
    /// Coming back to a session
    Attach,
    /// From approval to a running Space
    Approve,
    /// Many Spaces on one machine
    Scale,
    /// Many Spaces through a restart of their engine
    Reconcile,
    /// A neighbour's wait while a Space does its worst
    Neighbours,
    /// Resident memory after the others
    After,
}

impl Measurement {
    pub(crate) const ALL: [Self; 15] = [
        Self::Rest,
        Self::Idle,
        Self::Cold,
        Self::Shared,
        Self::Echo,
        Self::Bulk,
        Self::Files,
        Self::Forward,
        Self::Rate,
        Self::Attach,
        Self::Approve,
        Self::Scale,
        Self::Reconcile,
        Self::Neighbours,
        Self::After,
    ];

    pub(crate) fn run(self, lab: &Lab) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Rest => rest::measure(lab, "at rest"),
            Self::Idle => idle::measure(lab),
            Self::Cold => cold::measure(lab),
            Self::Shared => shared::measure(lab),
            Self::Echo => echo::measure(lab),
            Self::Bulk => bulk::measure(lab),
            Self::Files => files::measure(lab),
            Self::Forward => forward::measure(lab),
            Self::Rate => rate::measure(lab),
            Self::Attach => attach::measure(lab),
            Self::Approve => approve::measure(lab),
            Self::Scale => scale::measure(lab),
            Self::Reconcile => reconcile::measure(lab),
            Self::Neighbours => neighbours::measure(lab),
            Self::After => rest::measure(lab, "after all this"),
        }
    }
}
