//! The words of Spaces, shared by every program: names, the command grammar, replies and their text,
//! auth keys, the JSON line protocol, and the frames between gateway and guest.
//!
//! Pure: no I/O, no clock, no async. What arrives from a peer is parsed here, once, into types that prove
//! what was checked.

pub mod frame;
pub mod session;

#[cfg(feature = "console")]
pub mod auth_key;
#[cfg(feature = "console")]
pub mod certificate;
#[cfg(feature = "console")]
pub mod command;
#[cfg(feature = "console")]
pub mod failure;
#[cfg(feature = "console")]
pub mod name;
#[cfg(feature = "console")]
pub mod prompt;
#[cfg(feature = "console")]
pub mod reply;
#[cfg(feature = "console")]
pub mod setting;
#[cfg(feature = "console")]
pub mod table;
#[cfg(feature = "console")]
pub mod wire;
