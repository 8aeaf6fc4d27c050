//! What a Space uses, and why it is as it is.

use jiff::Timestamp;
use serde::Serialize;

use super::{Allowance, Bound, SpaceState};
use crate::name::{SpaceId, SpaceName};
use crate::table;

/// What a Space uses at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Usage {
    /// Which.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
    /// What it is doing.
    pub state: SpaceState,
    /// When this was read.
    pub at: Timestamp,
    /// Processor time over the last moment, in thousandths of a core.
    pub cpu: Allowance,
    /// Memory, swap included, in MiB.
    pub memory: Allowance,
    /// Processes and threads.
    pub pids: Allowance,
    /// Disk, in MB.
    pub disk: Allowance,
    /// What went out this month, in MB.
    pub net: Allowance,
    /// Tokens of language models.
    pub llm_tokens: Allowance,
    /// How fast it may go out, in Mbit a second; `None` is as fast as it can.
    pub net_rate: Option<u32>,
    /// Processor time since the Space was made, in microseconds.
    pub cpu_micros: u64,
    /// Time that its processor limit has held it back since it was started, in microseconds.
    pub throttled_micros: Option<u64>,
    /// Processes that its memory limit has ended since it was started.
    pub oom_kills: Option<u64>,
    /// What it has read from and written to disks since it was started, as far as the kernel counts that for it.
    pub io_bytes: Option<u64>,
    /// What went out since its network was made, in bytes; with `at` it gives a rate.
    pub sent_bytes: Option<u64>,
    /// What came in, in bytes.
    pub received_bytes: Option<u64>,
}

impl Usage {
    /// What a person reads: a line for each resource.
    pub(super) fn to_text(&self) -> String {
        let rows = [
            ("cpu", "millis", self.cpu),
            ("memory", "MiB", self.memory),
            ("pids", "", self.pids),
            ("disk", "MB", self.disk),
            ("net", "MB/month", self.net),
            ("llm_tokens", "", self.llm_tokens),
        ];
        let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        table::render(
            ["resource", "used", "limit", "unit", "bound"],
            rows.into_iter().map(|(name, unit, allowance)| {
                let bound = match (allowance.limit, allowance.bound) {
                    (None, _) => "",
                    (Some(_), Bound::Hard) => "hard",
                    (Some(_), Bound::Soft) => "soft",
                };
                let (used, limit) = (number(allowance.used), number(allowance.limit));
                [name.to_owned(), used, limit, unit.to_owned(), bound.to_owned()]
            }),
        )
    }
}

/// Why a Space is as it is.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    /// Which.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
    /// What it is doing.
    pub state: SpaceState,
    /// The reason for its state first, then whatever holds it back.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub text: String,
}

impl Why {
    /// What a person reads: a sentence a line.
    pub(super) fn to_text(&self) -> String {
        let state = format!("space {} is {}", self.id, self.state.as_str());
        let mut reasons = self.reasons.iter().map(|reason| reason.text.as_str());
        let first = reasons.next().map_or_else(|| format!("{state}\n"), |why| format!("{state}: {why}\n"));
        reasons.fold(first, |text, reason| text + reason + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_a_line_for_each_resource() {
        let allowance = |used, limit, bound| Allowance { used, limit, bound };
        let usage = Usage {
            id: SpaceId::new(1),
            name: "room".parse().unwrap(),
            state: SpaceState::Running,
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
            cpu: allowance(Some(120), Some(2000), Bound::Hard),
            memory: allowance(Some(84), Some(4096), Bound::Hard),
            pids: allowance(Some(3), Some(4096), Bound::Hard),
            disk: allowance(None, Some(20_000), Bound::Soft),
            net: allowance(Some(17), None, Bound::Hard),
            llm_tokens: allowance(Some(0), None, Bound::Hard),
            net_rate: None,
            cpu_micros: 5,
            throttled_micros: None,
            oom_kills: None,
            io_bytes: None,
            sent_bytes: None,
            received_bytes: None,
        };
        assert_eq!(
            usage.to_text(),
            "resource    used  limit  unit      bound\n\
             cpu         120   2000   millis    hard\n\
             memory      84    4096   MiB       hard\n\
             pids        3     4096   -         hard\n\
             disk        -     20000  MB        soft\n\
             net         17    -      MB/month  -\n\
             llm_tokens  0     -      -         -\n"
        );
    }
}
