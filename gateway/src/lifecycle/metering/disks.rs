//! Which disks to look at: files are walked for their size, which costs too much to be done for each in each round. Pure.

use std::collections::HashMap;
use std::time::Duration;

use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Binding, Disk as OnDisk, Writes};
use spaces_store::Counter;
use tokio::time::Instant;

use super::MB;

/// Processor time, in microseconds, without which nobody can have written much: but what is reserved for a file costs none.
const IDLE: u64 = 20_000;

/// With more, in microseconds, much may have been written.
const BUSY: u64 = 2_000_000;

/// What a program can write at most, in bytes, with a microsecond of processor time.
const WRITTEN: u64 = 4_000;

/// When so much more is taken on the file system, in bytes, any Space may have reserved it.
const RESERVED: u64 = 50 * MB;

/// What was done about the disks, by Space.
#[derive(Debug)]
pub(super) struct Disks {
    look_every: Duration,
    pub(super) known: HashMap<SpaceId, Disk>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) looked_at: Instant,
    /// When it was measured last; none before that.
    then: Option<Then>,
    /// How much there was, and whether that is as much as at the look before: what programs wrote may come to the disk
    /// after they have ended.
    bytes: u64,
    settled: bool,
    /// Whether the storage itself refuses what is too much.
    pub(super) held: Binding,
    /// What was set last; none before that, since a gateway before this one may have set it.
    pub(super) writes: Option<Writes>,
}

/// What tells, later, whether much may have been written since.
#[derive(Debug, Clone)]
pub(super) struct Then {
    /// The processor time used.
    pub(super) cpu: Option<Counter>,
    /// What was taken of the file system that all of them are on.
    pub(super) taken: Option<u64>,
}

impl Disks {
    /// None is known.
    pub(super) fn new(look_every: Duration) -> Self {
        Self { look_every, known: HashMap::new() }
    }

    /// Whether to look at this disk, which has so much left.
    pub(super) fn is_due(&self, space: SpaceId, now: &Then, left: Option<u64>) -> bool {
        let Some(disk) = self.known.get(&space) else { return true };
        let then = disk.then.as_ref();
        let worked = match (then.and_then(|then| then.cpu.as_ref()), &now.cpu) {
            (Some(before), Some(now)) if before.from == now.from => now.seen.saturating_sub(before.seen),
            // A machine that was started anew, or was never measured.
            (Some(_) | None, Some(_) | None) => BUSY,
        };
        let grown =
            then.and_then(|then| then.taken).zip(now.taken).map(|(then, now)| now.saturating_sub(then));
        // Whoever has done nothing has reserved nothing either.
        let much = left.map_or(RESERVED, |left| left.min(RESERVED));
        let reserved = grown.filter(|grown| worked > 0 && *grown >= much).unwrap_or_default();
        let full = left.is_some_and(|left| worked.saturating_mul(WRITTEN).max(reserved) >= left);
        let changing = worked > IDLE || reserved > 0 || !disk.settled;
        full || worked >= BUSY || (changing && disk.looked_at.elapsed() >= self.look_every)
    }

    /// This is what was found, where counters were as they were then.
    pub(super) fn measured(&mut self, space: SpaceId, then: Then, found: OnDisk) {
        if let Some(disk) = self.known.get_mut(&space) {
            disk.then = Some(then);
            disk.settled = disk.bytes == found.bytes;
            disk.bytes = found.bytes;
            disk.held = found.held;
        }
    }

    /// Also one that was not measured, so that the next ones have their turn.
    pub(super) fn looked_at(&mut self, space: SpaceId) {
        let fresh = || Disk {
            looked_at: Instant::now(),
            then: None,
            bytes: 0,
            settled: false,
            held: Binding::Soft,
            writes: None,
        };
        let disk = self.known.entry(space).or_insert_with(fresh);
        disk.looked_at = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(cpu: u64, taken: u64) -> Then {
        Then { cpu: Some(Counter { from: "cgroup".to_owned(), seen: cpu }), taken: Some(taken) }
    }

    fn found(bytes: u64) -> OnDisk {
        OnDisk { bytes, complete: true, held: Binding::Soft }
    }

    #[test]
    fn a_look_that_came_to_nothing_is_made_again_though_nobody_worked_since() {
        let (space, now) = (SpaceId::new(1), now(5, 0));
        let mut disks = Disks::new(Duration::MAX);
        for _look in 0..2 {
            assert!(disks.is_due(space, &now, None));
            disks.looked_at(space);
        }
        disks.measured(space, now.clone(), found(0));
        assert!(!disks.is_due(space, &now, None), "nothing changes");
        let busy = self::now(5 + BUSY, 0);
        for _look in 0..2 {
            assert!(disks.is_due(space, &busy, None));
            disks.looked_at(space);
        }
        disks.measured(space, busy.clone(), found(0));
        assert!(!disks.is_due(space, &busy, None));
    }

    #[test]
    fn what_comes_to_the_disk_late_is_looked_for() {
        let (space, now) = (SpaceId::new(1), now(5, 0));
        let mut disks = Disks::new(Duration::ZERO);
        for bytes in [7, 7] {
            assert!(disks.is_due(space, &now, None));
            disks.looked_at(space);
            disks.measured(space, now.clone(), found(bytes));
        }
        assert!(!disks.is_due(space, &now, None));
    }

    #[test]
    fn a_disk_is_looked_at_as_soon_as_it_may_be_full() {
        let space = SpaceId::new(1);
        let mut disks = Disks::new(Duration::MAX);
        disks.looked_at(space);
        disks.measured(space, now(0, 0), found(0));
        let is_due = |worked, taken, left: Option<u64>| disks.is_due(space, &now(worked, taken), left);
        assert!(!is_due(BUSY - 1, 0, None) && is_due(BUSY, 0, None));
        assert!(!is_due(9_000, 0, Some(40 * MB)) && is_due(10_000, 0, Some(40 * MB)));
        assert!(is_due(BUSY, 0, Some(1_000_000 * MB)));
        // Reserved by somebody who hardly did anything, but not by somebody who did nothing at all.
        assert!(!is_due(1, 90 * MB, Some(100 * MB)) && is_due(1, 100 * MB, Some(100 * MB)));
        assert!(!is_due(1, 30 * MB, Some(40 * MB)) && is_due(1, 40 * MB, Some(40 * MB)));
        assert!(!is_due(0, 100 * MB, Some(100 * MB)));
    }

    #[test]
    fn what_was_reserved_is_seen_in_the_end_whatever_the_limit() {
        let space = SpaceId::new(1);
        let mut disks = Disks::new(Duration::ZERO);
        disks.looked_at(space);
        disks.measured(space, now(0, 0), found(0));
        assert!(!disks.is_due(space, &now(1, RESERVED - 1), None));
        assert!(disks.is_due(space, &now(1, RESERVED), None));
    }
}
