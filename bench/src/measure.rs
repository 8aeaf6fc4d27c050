//! The measurements, a file each.

mod approve;
mod bulk;
mod cold;
mod echo;
mod idle;
mod rest;

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
    /// One byte there and back
    Echo,
    /// Many bytes, each way
    Bulk,
    /// From approval to a running Space
    Approve,
    /// Resident memory after the others
    After,
}

impl Measurement {
    pub(crate) const ALL: [Self; 7] =
        [Self::Rest, Self::Idle, Self::Cold, Self::Echo, Self::Bulk, Self::Approve, Self::After];

    pub(crate) fn run(self, lab: &Lab) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Rest => rest::measure(lab, "at rest"),
            Self::Idle => idle::measure(lab),
            Self::Cold => cold::measure(lab),
            Self::Echo => echo::measure(lab),
            Self::Bulk => bulk::measure(lab),
            Self::Approve => approve::measure(lab),
            Self::After => rest::measure(lab, "after all this"),
        }
    }
}
