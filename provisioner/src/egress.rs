//! What a machine may send: how much more, and how fast. Plain values, and the rate within its network namespace.

use std::num::NonZeroU32;

use crate::{Counter, IsolationError, program};

/// What one machine may send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// How many bytes more than the counter says; `None` is without end.
    pub left: Option<u64>,
    /// What it had sent when that was so; `None` is now.
    pub counted: Option<Counter>,
    /// How fast, in Mbit a second; `None` is as fast as it can.
    pub mbit: Option<NonZeroU32>,
}

impl Egress {
    /// Whether a quota that was set by this one is right for that one too.
    pub(crate) fn leaves_as_much_as(&self, other: &Self) -> bool {
        self.left == other.left && (self.left.is_none() || self.counted == other.counted)
    }

    /// How many bytes more than the counter says now.
    pub(crate) fn left_after(&self, now: Option<&Counter>) -> Option<u64> {
        let sent = match (&self.counted, now) {
            (Some(counted), Some(now)) => counted.grown(now),
            (Some(_) | None, None) | (None, Some(_)) => 0,
        };
        self.left.map(|left| left.saturating_sub(sent))
    }
}

/// Whether a bound holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing gets beyond it.
    Hard,
    /// It is counted, and that is all.
    Soft,
}

/// The machine's own end of its network.
const INTERFACE: &str = "eth0";

/// So much at once goes out at full speed: a fiftieth of a second's worth, and at least a few packets.
const BURSTS_A_SECOND: u64 = 50;
const LEAST_BURST: u64 = 32 * 1024;

/// Holds what the machine of this process sends to a rate, within its network namespace, where nobody has the
/// capability to undo it.
pub(crate) async fn shape(pid: i32, mbit: Option<NonZeroU32>) -> Result<(), IsolationError> {
    let Some(mbit) = mbit else {
        return match discipline(pid, &["del", "dev", INTERFACE, "root"]).await {
            // There is none.
            Err(IsolationError::Refused { words, .. }) if words.contains("handle of zero") => Ok(()),
            removed => removed,
        };
    };
    let (rate, burst) = (format!("{mbit}mbit"), burst(mbit).to_string());
    let tbf =
        ["replace", "dev", INTERFACE, "root", "tbf", "rate", &rate, "burst", &burst, "latency", "100ms"];
    discipline(pid, &tbf).await
}

/// `tc qdisc`, in the network namespace of a process.
async fn discipline(pid: i32, words: &[&str]) -> Result<(), IsolationError> {
    let namespace = format!("--net=/proc/{pid}/ns/net");
    let arguments = [&[namespace.as_str(), "tc", "qdisc"], words].concat();
    program::run("nsenter", &arguments, "").await.map(drop)
}

fn burst(mbit: NonZeroU32) -> u64 {
    (u64::from(mbit.get()) * 1_000_000 / 8 / BURSTS_A_SECOND).max(LEAST_BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_since_the_reading_is_taken_off() {
        let at = |from: &str, seen| Counter { from: from.to_owned(), seen };
        let counted = Some(at("a", 100));
        let bound = Egress { left: Some(50), counted, mbit: None };
        assert_eq!(bound.left_after(Some(&at("a", 130))), Some(20));
        assert_eq!(bound.left_after(Some(&at("a", 900))), Some(0));
        assert_eq!(bound.left_after(Some(&at("b", 30))), Some(20), "another network's counter");
        assert_eq!(bound.left_after(None), Some(50));
        assert_eq!(Egress { counted: None, ..bound }.left_after(Some(&at("a", 900))), Some(50));
    }
}
