//! The one word that people see, out of what should be and what is.

use spaces_protocol::reply::SpaceState;
use spaces_store::{Desired, Observed};

/// The word for this pair.
pub(crate) fn space_state(desired: Desired, observed: Observed) -> SpaceState {
    match (desired, observed) {
        (Desired::Deleted, _) => SpaceState::Deleting,
        (_, Observed::Missing) => SpaceState::Missing,
        (Desired::Running, Observed::Running) => SpaceState::Running,
        (Desired::Running, Observed::Absent) => SpaceState::Starting,
        (Desired::Running, Observed::Failed) => SpaceState::Failed,
        (Desired::Stopped | Desired::Asleep(_), Observed::Running) => SpaceState::Stopping,
        (Desired::Running | Desired::Stopped, Observed::Stopped)
        | (Desired::Stopped, Observed::Absent | Observed::Failed) => SpaceState::Stopped,
        (Desired::Asleep(_), Observed::Stopped | Observed::Absent | Observed::Failed) => SpaceState::Asleep,
    }
}
