//! Why a forward is not made: one line for whoever asked for it, which says who denied it, or what failed.

use std::fmt;

use russh::ChannelOpenFailure;
use russh::server::ChannelOpenHandle;
use spaces_protocol::failure::{Failure, printable, shortened};
use spaces_protocol::name::SpaceName;

/// Most of what a guest says that is passed on.
const GUEST_TEXT: usize = 200;

/// Why a forward is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The configuration denies all of them.
    Platform,
    /// This Space's admin denies them there.
    Space(SpaceName),
    /// The certificate leaves it out.
    Certificate,
    /// This login name is not that of a Space.
    Nowhere,
    /// The connection carries as much as it may.
    Full,
    /// It was tried, or could not be.
    Failed(String),
}

impl Refusal {
    /// What a guest said why, which may be anything.
    pub(crate) fn by_guest(text: &str) -> Self {
        Self::Failed(printable(&shortened(text, GUEST_TEXT)))
    }

    /// Answers a client that wanted a channel.
    pub(crate) async fn answer(&self, reply: ChannelOpenHandle) {
        let reason = match self {
            Self::Platform | Self::Space(_) | Self::Certificate | Self::Nowhere => {
                ChannelOpenFailure::AdministrativelyProhibited
            }
            Self::Full => ChannelOpenFailure::ResourceShortage,
            Self::Failed(_) => ChannelOpenFailure::ConnectFailed,
        };
        reply.reject_with(reason, self.to_string()).await;
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("forwarding is denied by the platform's configuration"),
            Self::Space(space) => write!(f, "forwarding is denied by the admin of space `{space}`"),
            Self::Certificate => f.write_str("this certificate does not permit it"),
            Self::Nowhere => f.write_str("forwards lead into spaces: log in by the name of one"),
            Self::Full => f.write_str("this connection has as many channels as it may"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(printable(&failure.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_is_cut_and_steers_no_terminal() {
        let told = Refusal::by_guest(&format!("\u{1b}[2J{}", "x".repeat(1000))).to_string();
        assert!(told.starts_with("\\u{1b}[2Jxxx") && told.chars().count() < 220, "{told}");
    }
}
