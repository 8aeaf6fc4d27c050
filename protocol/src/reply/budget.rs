//! What Spaces may use, and what they have used.

use std::fmt;

use serde::Serialize;

use crate::name::{Email, SpaceId, SpaceName};

/// How a limit binds on this platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Nothing gets beyond it.
    Hard,
    /// It is looked at every so often, and what was used until then is used.
    Soft,
}

/// What was used of something, and how much of it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// What was used; `None` where that is not known yet.
    pub used: Option<u64>,
    /// How much may be; `None` is no limit.
    pub limit: Option<u64>,
    /// How the limit binds.
    pub bound: Bound,
}

/// `used/limit`, where `-` is unknown or none, and `~` marks a soft limit.
impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.used {
            Some(used) => write!(f, "{used}/")?,
            None => f.write_str("-/")?,
        }
        match (self.limit, self.bound) {
            (Some(limit), Bound::Hard) => write!(f, "{limit}"),
            (Some(limit), Bound::Soft) => write!(f, "~{limit}"),
            (None, _) => f.write_str("-"),
        }
    }
}

/// What a Space may use now.
#[derive(Debug, Clone, Serialize)]
pub struct Budget {
    /// Which.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
    /// Processor time, in thousandths of a core.
    pub cpu: u32,
    /// Memory, swap included, in MiB.
    pub memory: u32,
    /// Processes and threads at once.
    pub pids: u32,
    /// Disk, in MB; `None` is no limit, here and below.
    pub disk: Option<u32>,
    /// What may go out in a month, in MB.
    pub net: Option<u32>,
    /// How fast it may go out, in Mbit a second.
    pub net_rate: Option<u32>,
    /// Tokens of language models.
    pub llm_tokens: Option<u64>,
}

impl Budget {
    /// What a person reads.
    pub(super) fn to_text(&self) -> String {
        format!(
            "space {} may use cpu {}, memory {}, pids {}, disk {}, net {}, net-rate {}, llm-tokens {}\n",
            self.id,
            self.cpu,
            self.memory,
            self.pids,
            or_dash(self.disk),
            or_dash(self.net),
            or_dash(self.net_rate),
            or_dash(self.llm_tokens),
        )
    }
}

/// What all Spaces of one person may use together.
#[derive(Debug, Clone, Serialize)]
pub struct Ceiling {
    /// Whose.
    pub email: Email,
    /// Of each resource, what their Spaces have and may have.
    pub shares: Vec<Share>,
}

/// One resource.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// Which: spaces, cpu, memory, disk, net.
    pub resource: String,
    /// What the person's Spaces have of it together; `None` is without limit.
    pub has: Option<u64>,
    /// How much that may be; `None` is no ceiling.
    pub ceiling: Option<u32>,
}

impl Ceiling {
    /// What a person reads.
    pub(super) fn to_text(&self) -> String {
        let share =
            |share: &Share| format!("{} {}/{}", share.resource, or_dash(share.has), or_dash(share.ceiling));
        let shares = self.shares.iter().map(share).collect::<Vec<_>>().join(", ");
        format!("spaces of {} have {shares}\n", self.email)
    }
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_reads_in_one_cell() {
        let allowance = |used, limit, bound| Allowance { used, limit, bound }.to_string();
        assert_eq!(allowance(Some(12), Some(20_000), Bound::Hard), "12/20000");
        assert_eq!(allowance(Some(12), Some(20_000), Bound::Soft), "12/~20000");
        assert_eq!(allowance(None, None, Bound::Soft), "-/-");
    }
}
