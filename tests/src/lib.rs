//! The harness: a gateway of one's own (free port, fresh state, own installation id) on the real engine,
//! people with keys, and the stock `ssh`. Everything that a [`Platform`] made is gone when it is dropped.
//!
//! Helpers panic with what they saw: in a test that is the report.

mod background;
mod child;
mod engine;
mod guest;
mod http;
mod multiplex;
pub mod network;
mod pattern;
mod person;
mod platform;
pub mod spec;
mod sshd;
mod terminal;
mod wait;

pub use background::Background;
pub use child::{Output, run, timeout_command};
pub use engine::Engine;
pub use guest::guest_greeting;
pub use http::http_get;
pub use multiplex::Multiplex;
pub use pattern::Pattern;
pub use person::Person;
pub use platform::{Platform, bin, repository};
pub use sshd::Sshd;
pub use terminal::Terminal;
pub use wait::{eventually, free_port};
