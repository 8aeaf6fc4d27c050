//! The connection between the gateway and a guest, for both ends: frames on a unix socket, and no wake-up that
//! nobody needs.
//!
//! A runtime's own unix sockets are watched for room to write all the time, and a unix socket tells of room whenever
//! its other end has read something. So each frame would wake its receiver, and then its sender once more, for
//! nothing. Here room is watched for only while a write waits for it.
//!
//! It knows what a frame is, and not what any of them means. Deadlines are its callers'.

mod ear;
mod frames;
mod mouth;
mod watch;

pub use frames::{Reader, Writer, rejoin, split};
pub use watch::{Watched, watch};
