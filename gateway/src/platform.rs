//! What every connection shares.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use nix::unistd::{SysconfVar, sysconf};
use spaces_protocol::auth_key::{AuthKey, GatewayMark};
use spaces_protocol::name::SpaceName;
use spaces_store::{Budget, Ceiling, NewSpace, SpaceSpec, Store};
use tokio::sync::Semaphore;

use crate::audit::Trail;
use crate::certificate::Authorities;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::relay::Hub;

/// The platform, as its connections see it.
pub(crate) struct Platform {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) trail: Trail,
    pub(crate) mark: GatewayMark,
    pub(crate) authorities: Authorities,
    /// Room for what clients leave behind who closed.
    pub(crate) leftovers: Semaphore,
}

impl Platform {
    /// A fresh auth key of this gateway.
    pub(crate) fn new_auth_key(&self) -> AuthKey {
        AuthKey::new(rand::random(), self.mark)
    }

    /// A new Space of this name.
    pub(crate) fn new_space(&self, name: SpaceName) -> NewSpace {
        new_space(&self.config, name)
    }

    /// What one person's Spaces may have together, where nothing else is set for that person.
    pub(crate) fn ceiling(&self) -> Ceiling {
        ceiling(&self.config)
    }
}

/// A new Space of this name, under this configuration.
pub(crate) fn new_space(config: &Config, name: SpaceName) -> NewSpace {
    let space = &config.space;
    let budget = Budget {
        cpu_millis: space.cpu_millis.min(host_millis()),
        memory_mib: space.memory_mib,
        pids: space.pids,
        disk_mb: NonZeroU32::new(space.disk_mb),
        egress_mb: NonZeroU32::new(space.egress_mb),
        egress_mbit: NonZeroU32::new(space.egress_mbit),
        llm_tokens: NonZeroU64::new(space.llm_tokens),
    };
    NewSpace { name, spec: SpaceSpec { image: space.image.clone(), budget }, ceiling: ceiling(config) }
}

/// All cores of this host, in thousandths: no engine gives a container more, and the default must do on a small host too.
fn host_millis() -> u32 {
    let cores = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    cores.and_then(|cores| u32::try_from(cores).ok()).map_or(u32::MAX, |cores| cores.saturating_mul(1000))
}

fn ceiling(config: &Config) -> Ceiling {
    let ceiling = &config.ceiling;
    Ceiling {
        spaces: NonZeroU32::new(ceiling.spaces),
        cpu_millis: NonZeroU32::new(ceiling.cpu_millis),
        memory_mib: NonZeroU32::new(ceiling.memory_mib),
        disk_mb: NonZeroU32::new(ceiling.disk_mb),
        egress_mb: NonZeroU32::new(ceiling.egress_mb),
    }
}
