//! Who gets in, as whom, and what everybody else is told.

mod auth_keys;
#[path = "../client.rs"]
mod client;
mod identity;
mod leavers;
mod limits;
mod open_channels;
mod secrets;
mod sessions;
mod strangers;
