//! What a Space's admin sets for everybody in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether people may forward ports, sockets, their agent and X11 into and out of a Space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// They may, unless the platform denies it.
    Allow,
    /// They may not.
    Deny,
}

/// A word that is neither.
#[derive(Debug, thiserror::Error)]
#[error("neither `allow` nor `deny`")]
pub struct NeitherWord;

impl Forwarding {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Forwarding {
    type Err = NeitherWord;

    fn from_str(text: &str) -> Result<Self, NeitherWord> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(NeitherWord),
        }
    }
}
