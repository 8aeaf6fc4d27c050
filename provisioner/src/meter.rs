//! What machines use now, read from files of the kernel: never from the engine, whose answer takes a second a machine.

mod cgroup;
mod counters;
mod disk;

use std::collections::HashMap;
use std::sync::OnceLock;

use procfs::net::DeviceStatus;
use spaces_protocol::name::SpaceId;

pub(crate) use self::cgroup::Cgroup;
pub(crate) use self::counters::Counters;
pub use self::disk::Disk;
pub(crate) use self::disk::{nameless, taken, written};
use crate::Installation;

/// A counter of the kernel, which begins at nothing with what it counts of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Which: a machine that was started anew, or a network that was made anew, has another one.
    pub from: String,
    /// What it says.
    pub seen: u64,
}

impl Counter {
    /// How much it has grown until it said `now`.
    pub(crate) fn grown(&self, now: &Self) -> u64 {
        // A reading that another one has overtaken is none.
        if self.from == now.from { now.seen.saturating_sub(self.seen) } else { now.seen }
    }
}

/// What one machine uses. `None` where it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Processor time, in microseconds.
    pub cpu_micros: Option<Counter>,
    /// Time that it would have run and was held back by its limit, in microseconds.
    pub throttled_micros: Option<u64>,
    /// Memory that cannot be had back by forgetting files, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processes that the limit of memory has killed.
    pub oom_kills: Option<u64>,
    /// What it has read from and written to disks since it was started, as far as the kernel counts that for it, in bytes.
    pub io_bytes: Option<u64>,
    /// What left it by its network, in bytes.
    pub egress_bytes: Option<Counter>,
    /// What came to it, in bytes.
    pub ingress_bytes: Option<u64>,
}

/// The counters of this host's network interfaces.
#[derive(Debug, Default)]
pub(crate) struct Interfaces(HashMap<String, DeviceStatus>);

impl Interfaces {
    /// Reads all of them at once. What cannot be read is not there.
    pub(crate) fn read() -> Self {
        Self(procfs::net::dev_status().unwrap_or_default())
    }
}

/// Reads one machine's.
pub(crate) fn read(
    cgroup: &Cgroup,
    counters: &Counters,
    interfaces: &Interfaces,
    installation: &Installation,
    space: SpaceId,
) -> Reading {
    let bridge = interfaces.0.get(&installation.interface(space));
    Reading {
        cpu_micros: counters.cpu_micros().map(|seen| counter("cgroup", cgroup.instance(), seen)),
        throttled_micros: counters.throttled_micros(),
        memory_bytes: counters.memory_bytes(),
        pids: counters.pids(),
        oom_kills: counters.oom_kills(),
        io_bytes: counters.io_bytes(),
        egress_bytes: egress(interfaces, installation, space),
        ingress_bytes: bridge.map(|bridge| bridge.sent_bytes),
    }
}

/// What a machine has sent, also of one that does not run: what its bridge takes in.
pub(crate) fn egress(
    interfaces: &Interfaces,
    installation: &Installation,
    space: SpaceId,
) -> Option<Counter> {
    let name = installation.interface(space);
    let index = nix::net::if_::if_nametoindex(name.as_str()).ok()?;
    Some(counter("net", index.into(), interfaces.0.get(&name)?.recv_bytes))
}

/// Numbers of interfaces and cgroups are given out anew after a boot of the host.
fn counter(of: &str, number: u64, seen: u64) -> Counter {
    static BOOT: OnceLock<String> = OnceLock::new();
    let boot = BOOT.get_or_init(|| procfs::sys::kernel::random::boot_id().unwrap_or_default());
    Counter { from: format!("{boot}/{of}/{number}"), seen }
}
