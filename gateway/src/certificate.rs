//! The platform as an SSH certificate authority (OpenSSH's PROTOCOL.certkeys): one key vouches for people, one for
//! gateways.
//!
//! ```text
//! issue-cert -> issue -> signed by the user CA, recorded in the store -> the person
//! login <- judge <- offered: our CA, kind, dates, principal, options, address; then the store: recorded, not revoked
//! ```

mod authority;
mod host;
mod issue;
mod judge;

pub(crate) use authority::Authorities;
pub(crate) use host::HostName;
pub(crate) use issue::{Order, digest};
pub(crate) use judge::{Claim, Fault, Named, judge};
