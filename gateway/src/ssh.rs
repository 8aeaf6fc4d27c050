//! The SSH server: connections, authentication, channels. What a channel is for is decided here and carried
//! out in `console` and `entrance`.

pub(crate) mod auth;
mod budget;
mod channel;
mod connection;
mod forwards;
mod lanes;
mod listener;
mod public_key;
mod stream;
mod transport;

pub(crate) use budget::{Budget, Room};
pub(crate) use channel::Purpose;
pub(crate) use channel::{Agent, ChannelParts, fail, finish, still_known};
pub(crate) use lanes::Lanes;
pub(crate) use listener::{bind, serve};
pub(crate) use public_key::{describe, parse_public_key};
pub(crate) use transport::config as transport_config;
