//! The way into Spaces: one [`Hub`] that guests dial, and the pumps between an SSH channel and a guest's.

mod door;
mod hub;
mod pump;
mod socket;
mod window;

pub(crate) use hub::Hub;
pub(crate) use pump::{Ended, LEFTOVERS, SshChannel, carry, run, window_size};
pub(crate) use socket::{GuestReader, GuestWriter};
pub(crate) use window::Window;
