//! The way into Spaces: one [`Hub`] that guests dial, and the pumps between an SSH channel and a guest's.

mod door;
mod hub;
mod ingress;
mod pump;
mod socket;
mod traffic;
mod window;

pub(crate) use door::HoldAsked;
pub(crate) use hub::{Hub, NoJobs};
pub(crate) use ingress::{can_signal, window_size};
pub(crate) use pump::{Begun, Ended, LEFTOVERS, SshChannel, Telling, begin, carry, run};
pub(crate) use socket::{GuestReader, GuestWriter};
pub(crate) use window::Window;
