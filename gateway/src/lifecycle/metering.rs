//! Reads what Spaces use, adds it up in the store, and makes the budgets bind that the engine does not enforce by itself:
//! what may go out in a month, how fast, and what may be on the disk.
//!
//! ```text
//! kernel's counters -> sums (store) -> what is left -> kernel's quotas, which cut between two rounds
//! ```

mod disks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Binding, Disk as OnDisk, Egress, Reading, Writes};
use spaces_store::{Counter, Desired, Measured, Month, Space};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use self::disks::{Disks, Then};
use super::{Lifecycle, LifecycleError};
use crate::allowance;
use crate::warnings::Said;

/// What people call a MB of disk or network.
pub(crate) const MB: u64 = 1_000_000;

/// A disk that is this full, in hundredths, is looked at in each round.
const NEARLY_FULL: u64 = 80;

/// Files have to be walked for their size: a round does not wait longer for that, and for one Space not quite as long, so
/// that those after it have their turn in the next round.
const WALKS: Duration = Duration::from_secs(6);
const WALK: Duration = Duration::from_secs(5);

/// How often to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// The counters.
    pub(crate) every: Duration,
    /// The disk of a Space that is far from its limit.
    pub(crate) disk_every: Duration,
}

impl Lifecycle {
    /// Meters for ever.
    pub(crate) async fn meter(self: Arc<Self>, rhythm: Rhythm) {
        let mut tick = interval(rhythm.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut disks = Disks::new(rhythm.disk_every);
        let mut said = Said::default();
        loop {
            tick.tick().await;
            match self.meter_once(&mut disks, &mut said).await {
                Ok(()) => {}
                // Said where the engine is watched.
                Err(error) if error.is_engine_away() => {}
                Err(error) => warn!(error = &error as &dyn std::error::Error, "not everything was metered"),
            }
        }
    }

    /// Each part to its end even if another fails.
    async fn meter_once(self: &Arc<Self>, disks: &mut Disks, said: &mut Said) -> Result<(), LifecycleError> {
        let readings = self.provisioner.measure_all().await?;
        let now = Timestamp::now();
        // The one after the other, and at once: what is sent between a reading and the quota that follows from it is let
        // through. Where it could not be counted the quotas stay, for a new one would give back what was sent.
        let spaces = self.store.all_spaces().await?;
        let counted = self.count(&spaces, &readings, now).await;
        let (spaces, mut read) = self.read_again(spaces).await;
        let egress = match counted {
            Ok(()) => self.bound_egress(&spaces, &readings, now).await,
            uncounted => uncounted,
        };
        let measured = self.measure_disks(&spaces, &readings, disks).await;
        let recorded = self.store.record_usage(&measured, Timestamp::now()).await;
        let (spaces, again) = self.read_again(spaces).await;
        read = read.and(again);
        let bound = self.bound_disks(&spaces, &readings, disks).await;
        self.metrics.measured(&spaces, &Month::of(now), |id| readings.get(&id));
        self.warn(&spaces, now, said);
        self.look_for_idle(spaces, readings);
        egress.and(recorded.map_err(LifecycleError::from)).and(read).and(bound)
    }

    /// The Spaces as they are now, or else as they were.
    async fn read_again(&self, spaces: Vec<Space>) -> (Vec<Space>, Result<(), LifecycleError>) {
        match self.store.all_spaces().await {
            Ok(spaces) => (spaces, Ok(())),
            Err(error) => (spaces, Err(error.into())),
        }
    }

    /// Tells people at terminals of budgets that have come to be nearly used up, or are.
    fn warn(&self, spaces: &[Space], now: Timestamp, said: &mut Said) {
        said.retain(|id| spaces.iter().any(|space| space.id == id));
        for space in spaces {
            let news = said.news(space.id, allowance::warnings(self, space, now));
            let news: Vec<_> =
                news.into_iter().map(|warning| format!("space {}: {}", space.name, warning.text)).collect();
            if !news.is_empty() {
                self.hub.announce(space.id, &news.join("\r\n"));
            }
        }
    }

    /// Adds what was read to what is known.
    async fn count(
        &self,
        spaces: &[Space],
        readings: &BTreeMap<SpaceId, Reading>,
        now: Timestamp,
    ) -> Result<(), LifecycleError> {
        let egress = self.provisioner.egress_binding();
        let of = |space: &Space| {
            let reading = readings.get(&space.id)?;
            Some(measured(space, reading.egress_bytes.as_ref(), Some(reading), egress))
        };
        let measured: Vec<Measured> = spaces.iter().filter_map(of).collect();
        Ok(self.store.record_usage(&measured, now).await?)
    }

    async fn bound_egress(
        &self,
        spaces: &[Space],
        readings: &BTreeMap<SpaceId, Reading>,
        now: Timestamp,
    ) -> Result<(), LifecycleError> {
        // Without their locks, which would keep reconciliation from them: what is overtaken by a new budget or by a
        // deletion is right again with the next round.
        let ours = spaces
            .iter()
            .filter(|space| readings.contains_key(&space.id) && space.desired != Desired::Deleted);
        let bound = |space: &Space| {
            let counted = readings.get(&space.id).and_then(|reading| reading.egress_bytes.clone());
            (space.id, egress_bound(space, counted, &Month::of(now)))
        };
        let bounds: Vec<_> = ours.map(bound).collect();
        Ok(self.provisioner.bound_egress(&bounds).await?)
    }

    /// Before a bound is set anew for a Space: what it has sent by now, so that nobody gets back by a stop and a start what
    /// was sent since the last round. Gives what it may send after that.
    pub(super) async fn count_egress(&self, space: &Space) -> Result<Egress, LifecycleError> {
        let sent = self.provisioner.measure_egress(space.id).await;
        let measured = measured(space, sent.as_ref(), None, self.provisioner.egress_binding());
        let now = Timestamp::now();
        self.store.record_usage(&[measured], now).await?;
        Ok(egress_bound(&self.stored(space.id).await?, sent, &Month::of(now)))
    }

    /// The sizes of those disks that may have changed.
    async fn measure_disks(
        &self,
        spaces: &[Space],
        readings: &BTreeMap<SpaceId, Reading>,
        disks: &mut Disks,
    ) -> Vec<Measured> {
        disks.known.retain(|id, _disk| readings.contains_key(id));
        let ours = |space: &&Space| readings.contains_key(&space.id) && space.desired != Desired::Deleted;
        let mut spaces: Vec<&Space> = spaces.iter().filter(ours).collect();
        // Those first that were not looked at for longest: no round need come to the end.
        spaces.sort_by_key(|space| disks.known.get(&space.id).map(|disk| disk.looked_at));
        let mut measured = Vec::new();
        let taken = self.provisioner.disk_taken().await;
        let walks = async {
            for space in spaces {
                let reading = readings.get(&space.id);
                let cpu = reading.and_then(|reading| reading.cpu_micros.as_ref()).map(counter);
                let now = Then { cpu, taken };
                if !is_nearly_full(space) && !disks.is_due(space.id, &now, disk_left(space)) {
                    continue;
                }
                // Read again: the round began a while ago, and somebody may have been given another limit since.
                let Ok(space) = self.stored(space.id).await else { continue };
                let walked = timeout(WALK, self.provisioner.measure_disk(space.id, disk_limit(&space))).await;
                disks.looked_at(space.id);
                match walked {
                    Ok(Ok(Some(disk))) => {
                        disks.measured(space.id, now, disk);
                        measured.push(on_disk(&space, disk));
                    }
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => {
                        let error = &error as &dyn std::error::Error;
                        warn!(space = %space.id, error, "its disk was not measured");
                    }
                    Err(_late) => warn!(space = %space.id, "its disk was not measured in time"),
                }
            }
        };
        if timeout(WALKS, walks).await.is_err() {
            info!("some disks are measured in the next round");
        }
        measured
    }

    /// Refuses writes where the disk is used up, and allows them again where it is not.
    async fn bound_disks(
        &self,
        spaces: &[Space],
        readings: &BTreeMap<SpaceId, Reading>,
        disks: &mut Disks,
    ) -> Result<(), LifecycleError> {
        let mut first = Ok(());
        for space in spaces.iter().filter(|space| readings.contains_key(&space.id)) {
            let Some(disk) = disks.known.get_mut(&space.id) else { continue };
            let wanted = match disk.held {
                Binding::Hard => Writes::Allowed,
                Binding::Soft => writes(space),
            };
            // Refused again in each round: there may be new processes whose parents were not seen.
            if wanted == Writes::Allowed && disk.writes == Some(wanted) {
                continue;
            }
            match self.provisioner.bound_writes(space.id, wanted).await {
                Ok(()) if disk.writes != Some(wanted) => {
                    info!(space = %space.id, writes = ?wanted, "writes to its disk");
                    disk.writes = Some(wanted);
                }
                Ok(()) => {}
                Err(error) => first = first.and(Err(error.into())),
            }
        }
        first
    }
}

/// What this Space may still send since the reading that is counted, and how fast.
pub(super) fn egress_bound(
    space: &Space,
    counted: Option<spaces_provisioner::Counter>,
    month: &Month,
) -> Egress {
    let budget = &space.spec.budget;
    let left = budget
        .egress_mb
        .map(|limit| (u64::from(limit.get()) * MB).saturating_sub(space.usage.egress_in(month)));
    Egress { left, counted, mbit: budget.egress_mbit }
}

/// What may come to its disk yet, by what was measured last.
fn disk_left(space: &Space) -> Option<u64> {
    Some(disk_limit(space)?.saturating_sub(space.usage.disk_bytes.unwrap_or_default()))
}

fn is_nearly_full(space: &Space) -> bool {
    let used = space.usage.disk_bytes.zip(disk_limit(space));
    used.is_some_and(|(used, limit)| used.saturating_mul(100) >= limit.saturating_mul(NEARLY_FULL))
}

/// Whether its programs may write to files, by what was measured last.
pub(super) fn writes(space: &Space) -> Writes {
    let full = space.usage.disk_bytes.zip(disk_limit(space)).is_some_and(|(used, limit)| used >= limit);
    if full { Writes::Refused } else { Writes::Allowed }
}

/// What may be on its disk beyond the image, in bytes.
pub(super) fn disk_limit(space: &Space) -> Option<u64> {
    space.spec.budget.disk_mb.map(|limit| u64::from(limit.get()) * MB)
}

fn measured(
    space: &Space,
    sent: Option<&spaces_provisioner::Counter>,
    reading: Option<&Reading>,
    egress: Binding,
) -> Measured {
    Measured {
        space: space.id,
        egress: sent.map(counter),
        egress_most: match egress {
            Binding::Hard => space.spec.budget.egress_mb.map(|limit| u64::from(limit.get()) * MB),
            Binding::Soft => None,
        },
        cpu: reading.and_then(|reading| reading.cpu_micros.as_ref()).map(counter),
        disk_bytes: None,
    }
}

/// A walk that was cut short tells the least that there is, which never makes it less.
fn on_disk(space: &Space, disk: OnDisk) -> Measured {
    let known = if disk.complete { 0 } else { space.usage.disk_bytes.unwrap_or_default() };
    let disk_bytes = Some(disk.bytes.max(known));
    Measured { space: space.id, egress: None, egress_most: None, cpu: None, disk_bytes }
}

fn counter(counter: &spaces_provisioner::Counter) -> Counter {
    Counter { from: counter.from.clone(), seen: counter.seen }
}
