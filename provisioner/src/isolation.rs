//! Who keeps Spaces from each other, from this host and from private networks. Plain values, and why the host could not
//! be told.

use std::net::IpAddr;

use ipnet::IpNet;

/// Whose firewall it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// Ours: rules in this host's kernel, without which no Space starts.
    Enforced(NetworkPolicy),
    /// Somebody else's, by the operator's word. Nothing is checked.
    External,
}

/// Where Spaces may go. Shut whatever this says: other Spaces, every address of this host, loopback, link-local
/// addresses with those of cloud metadata, multicast.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkPolicy {
    /// Networks that are shut, but for what is open.
    pub closed: Vec<IpNet>,
    /// Exceptions to `closed`.
    pub open: Vec<IpNet>,
    /// Where Spaces ask for names, port 53 alone, wherever it is; empty: the ones that this host asks.
    pub resolvers: Vec<IpAddr>,
}

/// Why this host could not be told what holds Spaces.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// A program that sets what the kernel does could not be run.
    #[error(
        "`{program}` cannot be run; Debian's packages nftables, iproute2, util-linux, btrfs-progs and xfsprogs have it"
    )]
    Program {
        /// Which.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// It said no, in these words: most often that this user may not.
    #[error("`{program}` refused: {words}")]
    Refused {
        /// Which.
        program: &'static str,
        /// What it said.
        words: String,
    },
    /// The storage tells of no quota where it should have one.
    #[error("the storage does not show that quota of this machine")]
    NoQuota,
    /// What it lists is not what it lists elsewhere.
    #[error("what `nft` lists cannot be read")]
    Listing(#[source] serde_json::Error),
    /// It did not come to its end.
    #[error("`{program}` did not end in time")]
    DeadlineExceeded {
        /// Which.
        program: &'static str,
    },
    /// The engine makes its bridges where our rules do not reach, such as in another network namespace.
    #[error("the engine's network is not this host's: there is no interface `{interface}` here")]
    ForeignNetwork {
        /// The bridge that the engine says it made.
        interface: String,
    },
}
