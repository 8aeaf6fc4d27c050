//! Reads what Spaces use, adds it up in the store, and makes the budgets bind that the engine does not enforce by itself:
//! what may go out in a month, how fast, and what may be on the disk.
//!
//! ```text
//! kernel's counters -> sums (store) -> what is left -> kernel's quotas, which cut between two rounds
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Binding, EgressBound, Reading, Writes};
use spaces_store::{Counter, Desired, Measured, Month, Space};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::{Lifecycle, LifecycleError};

/// What people call a MB of disk or network.
pub(crate) const MB: u64 = 1_000_000;

/// Processor time, in microseconds, without which nobody can have written much.
const IDLE: u64 = 20_000;

/// With more, in microseconds, much may have been written.
const BUSY: u64 = 2_000_000;

/// A disk that is this full, in hundredths, is looked at in each round.
const NEARLY_FULL: u64 = 80;

/// Files have to be walked for their size: a round does not wait longer for that.
const WALKS: Duration = Duration::from_secs(5);

/// How often to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// The counters.
    pub(crate) every: Duration,
    /// The disk of a Space that is far from its limit.
    pub(crate) disk_every: Duration,
}

/// What was done about the disks, by Space.
#[derive(Debug)]
pub(super) struct Disks {
    look_every: Duration,
    known: HashMap<SpaceId, Disk>,
}

#[derive(Debug)]
struct Disk {
    looked_at: Instant,
    /// The processor time used until then.
    cpu: Option<Counter>,
    writes: Writes,
}

impl Lifecycle {
    /// Meters for ever.
    pub(crate) async fn meter(self: Arc<Self>, rhythm: Rhythm) {
        let mut tick = interval(rhythm.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut disks = Disks { look_every: rhythm.disk_every, known: HashMap::new() };
        loop {
            tick.tick().await;
            match self.meter_once(&mut disks).await {
                Ok(()) => {}
                // Said where the engine is watched.
                Err(error) if error.is_engine_away() => {}
                Err(error) => warn!(error = &error as &dyn std::error::Error, "not everything was metered"),
            }
        }
    }

    async fn meter_once(&self, disks: &mut Disks) -> Result<(), LifecycleError> {
        let readings = self.provisioner.measure_all().await?;
        let spaces = self.store.all_spaces().await?;
        let running: Vec<&Space> = spaces.iter().filter(|space| readings.contains_key(&space.id)).collect();
        disks.known.retain(|id, _disk| readings.contains_key(id));
        let sizes = self.measure_disks(&running, &readings, disks).await;
        let egress = self.provisioner.egress_binding();
        let of = |space: &&Space| {
            Some(measured(space, readings.get(&space.id)?, sizes.get(&space.id).copied(), egress))
        };
        let measured: Vec<Measured> = running.iter().filter_map(of).collect();
        let now = Timestamp::now();
        self.store.record_usage(&measured, now).await?;
        let month = Month::of(now);
        // As they are now: a budget may have been set meanwhile.
        let spaces = self.store.all_spaces().await?;
        let running = spaces.iter().filter(|space| readings.contains_key(&space.id));
        let running: Vec<&Space> = running.filter(|space| space.desired != Desired::Deleted).collect();
        self.metrics.measured(&spaces, &month, |id| readings.get(&id));
        let bounds: Vec<EgressBound> = running.iter().map(|space| egress_bound(space, &month)).collect();
        self.provisioner.bound_egress(&bounds).await?;
        self.bound_disks(&running, disks).await
    }

    /// The sizes of those disks that may have changed.
    async fn measure_disks(
        &self,
        running: &[&Space],
        readings: &BTreeMap<SpaceId, Reading>,
        disks: &mut Disks,
    ) -> HashMap<SpaceId, u64> {
        let mut sizes = HashMap::new();
        let walks = async {
            for space in running {
                let cpu =
                    readings.get(&space.id).and_then(|reading| reading.cpu_micros.as_ref()).map(counter);
                if !disks.is_due(space, cpu.as_ref()) {
                    continue;
                }
                match self.provisioner.measure_disk(space.id).await {
                    Ok(bytes) => {
                        sizes.extend(bytes.map(|bytes| (space.id, bytes)));
                        disks.looked_at(space.id, cpu);
                    }
                    Err(error) => {
                        warn!(space = %space.id, error = &error as &dyn std::error::Error, "its disk was not measured");
                    }
                }
            }
        };
        if timeout(WALKS, walks).await.is_err() {
            info!("some disks are measured in the next round");
        }
        sizes
    }

    /// Refuses writes where the disk is used up, and allows them again where it is not.
    async fn bound_disks(&self, running: &[&Space], disks: &mut Disks) -> Result<(), LifecycleError> {
        for space in running {
            let Some(disk) = disks.known.get_mut(&space.id) else { continue };
            let wanted = if is_full(space) { Writes::Refused } else { Writes::Allowed };
            // Refused again in each round: a machine may have been started anew.
            if wanted == Writes::Refused || disk.writes != wanted {
                self.provisioner.bound_writes(space.id, wanted).await?;
            }
            if disk.writes != wanted {
                info!(space = %space.id, writes = ?wanted, "its disk budget was reached, or left");
                disk.writes = wanted;
            }
        }
        Ok(())
    }
}

impl Disks {
    fn is_due(&self, space: &Space, cpu: Option<&Counter>) -> bool {
        let Some(disk) = self.known.get(&space.id) else { return true };
        let full = space.usage.disk_bytes.zip(space.spec.budget.disk_mb).is_some_and(|(used, limit)| {
            used.saturating_mul(100) >= u64::from(limit.get()) * MB * NEARLY_FULL
        });
        let worked = match (&disk.cpu, cpu) {
            (Some(before), Some(now)) if before.from == now.from => now.seen.saturating_sub(before.seen),
            // A machine that was started anew.
            (Some(_) | None, Some(_) | None) => BUSY,
        };
        full || worked >= BUSY || (worked > IDLE && disk.looked_at.elapsed() >= self.look_every)
    }

    fn looked_at(&mut self, space: SpaceId, cpu: Option<Counter>) {
        let fresh = || Disk { looked_at: Instant::now(), cpu: None, writes: Writes::Allowed };
        let disk = self.known.entry(space).or_insert_with(fresh);
        disk.looked_at = Instant::now();
        disk.cpu = cpu;
    }
}

/// What this Space may still send, and how fast.
pub(super) fn egress_bound(space: &Space, month: &Month) -> EgressBound {
    let budget = &space.spec.budget;
    let left = budget
        .egress_mb
        .map(|limit| (u64::from(limit.get()) * MB).saturating_sub(space.usage.egress_in(month)));
    EgressBound { space: space.id, left, mbit: budget.egress_mbit }
}

fn is_full(space: &Space) -> bool {
    let (used, limit) = (space.usage.disk_bytes, space.spec.budget.disk_mb);
    used.zip(limit).is_some_and(|(used, limit)| used >= u64::from(limit.get()) * MB)
}

fn measured(space: &Space, reading: &Reading, disk_bytes: Option<u64>, egress: Binding) -> Measured {
    Measured {
        space: space.id,
        egress: reading.egress_bytes.as_ref().map(counter),
        egress_most: match egress {
            Binding::Hard => space.spec.budget.egress_mb.map(|limit| u64::from(limit.get()) * MB),
            Binding::Soft => None,
        },
        cpu: reading.cpu_micros.as_ref().map(counter),
        disk_bytes,
    }
}

fn counter(counter: &spaces_provisioner::Counter) -> Counter {
    Counter { from: counter.from.clone(), seen: counter.seen }
}
