//! What a monitoring system asks about: counters, gauges and latencies under Prometheus' conventions. Names and units are
//! an interface: config/grafana-dashboard.json and docs/operations.md use them.

mod http;

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use spaces_protocol::name::SpaceId;
use spaces_provisioner::Reading;
use spaces_store::{Month, Space};

pub(crate) use http::serve;

use crate::lifecycle::space_state;

/// From a call to the engine that is a look-up to one that pulls an image, in seconds.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOperation {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCommand {
    command: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSpace {
    space: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLimit {
    space: String,
    resource: &'static str,
}

type Seconds = Family<OfSpace, Counter<f64, AtomicU64>>;
type Totals = Family<OfSpace, Counter>;
type Numbers = Family<OfSpace, Gauge<i64, AtomicI64>>;

/// All of them. Clones share what they count.
pub(crate) struct Metrics {
    registry: Registry,
    connections: Gauge,
    connections_accepted: Counter,
    channels: Gauge,
    authentication_failures: Family<OfReason, Counter>,
    operations: Family<OfOperation, Histogram>,
    commands: Family<OfCommand, Histogram>,
    spaces: Family<OfState, Gauge>,
    cpu: Seconds,
    throttled: Seconds,
    memory: Numbers,
    pids: Numbers,
    oom_kills: Totals,
    egress: Totals,
    disk: Numbers,
    limits: Family<OfLimit, Gauge<f64, AtomicU64>>,
    /// Held while what Spaces use is put in the place of what was known, so that nobody reads half of it.
    whole: Mutex<()>,
}

/// Something that is there while this value is.
pub(crate) struct Present(Gauge);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("spaces"),
            connections: Gauge::default(),
            connections_accepted: Counter::default(),
            channels: Gauge::default(),
            authentication_failures: Family::default(),
            operations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            commands: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            spaces: Family::default(),
            cpu: Family::default(),
            throttled: Family::default(),
            memory: Family::default(),
            pids: Family::default(),
            oom_kills: Family::default(),
            egress: Family::default(),
            disk: Family::default(),
            limits: Family::default(),
            whole: Mutex::default(),
        };
        metrics.register_ssh();
        metrics.register_commands();
        metrics.register_spaces();
        metrics
    }

    fn register_ssh(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "SSH connections now", self.connections.clone());
        let accepted = self.connections_accepted.clone();
        registry.register("connections_accepted", "SSH connections accepted", accepted);
        registry.register("channels", "SSH channels now, forwards included", self.channels.clone());
        let failures = self.authentication_failures.clone();
        registry.register("authentication_failures", "Attempts to log in that were refused", failures);
        let operations = self.operations.clone();
        registry.register_with_unit(
            "operation_duration",
            "Time that operations on spaces took",
            Unit::Seconds,
            operations,
        );
    }

    fn register_commands(&mut self) {
        let (unit, commands) = (Unit::Seconds, self.commands.clone());
        self.registry.register_with_unit("command_duration", "Time that commands took", unit, commands);
    }

    fn register_spaces(&mut self) {
        let registry = &mut self.registry;
        registry.register("spaces", "Spaces by state", self.spaces.clone());
        let (cpu, throttled) = (self.cpu.clone(), self.throttled.clone());
        registry.register("space_cpu_seconds", "Processor time since the space was made", cpu);
        registry.register(
            "space_cpu_throttled_seconds",
            "Time that the processor limit held it back since it was started",
            throttled,
        );
        let (memory, disk, egress) = (self.memory.clone(), self.disk.clone(), self.egress.clone());
        registry.register("space_memory_bytes", "Memory without files that could be read again", memory);
        registry.register("space_disk_bytes", "Files beyond the image", disk);
        registry.register(
            "space_network_transmit_bytes",
            "Sent; begins anew each calendar month, UTC",
            egress,
        );
        registry.register("space_processes", "Processes and threads", self.pids.clone());
        let oom_kills = self.oom_kills.clone();
        registry.register(
            "space_oom_kills",
            "Processes ended by the memory limit since its start",
            oom_kills,
        );
        let limits = self.limits.clone();
        registry.register("space_limit", "Limits, in the units of the usage of each resource", limits);
    }

    /// A client is connected as long as the answer lives.
    pub(crate) fn connected(&self) -> Present {
        self.connections_accepted.inc();
        self.connections.inc();
        Present(self.connections.clone())
    }

    /// A channel is open as long as the answer lives.
    pub(crate) fn channel(&self) -> Present {
        self.channels.inc();
        Present(self.channels.clone())
    }

    pub(crate) fn authentication_failed(&self, reason: &'static str) {
        self.authentication_failures.get_or_create(&OfReason { reason }).inc();
    }

    pub(crate) fn command(&self, command: &'static str, took: Duration) {
        self.commands.get_or_create(&OfCommand { command }).observe(took.as_secs_f64());
    }

    pub(crate) fn operation(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.operations.get_or_create(&OfOperation { operation, outcome }).observe(took.as_secs_f64());
    }

    /// What all Spaces use, in the place of what was known: those that are gone are forgotten.
    pub(crate) fn measured<'a>(
        &self,
        spaces: &[Space],
        month: &Month,
        reading: impl Fn(SpaceId) -> Option<&'a Reading>,
    ) {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget();
        for space in spaces {
            let state = space_state(space.desired, space.observed).as_str();
            self.spaces.get_or_create(&OfState { state }).inc();
            self.space(space, month, reading(space.id));
        }
    }

    fn forget(&self) {
        self.spaces.clear();
        for family in [&self.cpu, &self.throttled] {
            family.clear();
        }
        for family in [&self.oom_kills, &self.egress] {
            family.clear();
        }
        for family in [&self.memory, &self.pids, &self.disk] {
            family.clear();
        }
        self.limits.clear();
    }

    fn space(&self, space: &Space, month: &Month, reading: Option<&Reading>) {
        let name = space.id.to_string();
        let label = OfSpace { space: name.clone() };
        let set = |family: &Numbers, value: Option<u64>| {
            if let Some(value) = value {
                family.get_or_create(&label).set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        };
        // Just made, so that what is added is what it says.
        self.cpu.get_or_create(&label).inc_by(seconds(space.usage.cpu_micros));
        self.egress.get_or_create(&label).inc_by(space.usage.egress_in(month));
        set(&self.disk, space.usage.disk_bytes);
        set(&self.memory, reading.and_then(|reading| reading.memory_bytes));
        set(&self.pids, reading.and_then(|reading| reading.pids));
        if let Some(kills) = reading.and_then(|reading| reading.oom_kills) {
            self.oom_kills.get_or_create(&label).inc_by(kills);
        }
        if let Some(micros) = reading.and_then(|reading| reading.throttled_micros) {
            self.throttled.get_or_create(&label).inc_by(seconds(micros));
        }
        let budget = &space.spec.budget;
        let mut limits = vec![
            ("cpu", f64::from(budget.cpu_millis) / 1000.0),
            ("memory", f64::from(budget.memory_mib) * 1024.0 * 1024.0),
            ("processes", f64::from(budget.pids)),
        ];
        let bytes = |mb: u32| f64::from(mb) * 1_000_000.0;
        limits.extend(budget.disk_mb.map(|limit| ("disk", bytes(limit.get()))));
        limits.extend(budget.egress_mb.map(|limit| ("network", bytes(limit.get()))));
        for (resource, limit) in limits {
            self.limits.get_or_create(&OfLimit { space: name.clone(), resource }).set(limit);
        }
    }

    /// In the text format that Prometheus reads.
    pub(crate) fn encode(&self) -> String {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let mut encoded = String::new();
        // Writing to a text cannot fail.
        let _failed = text::encode(&mut encoded, &self.registry).is_err();
        encoded
    }
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}
