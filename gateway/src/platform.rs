//! What every connection shares.

use std::sync::Arc;

use spaces_protocol::auth_key::{AuthKey, GatewayMark};
use spaces_store::{SpaceSpec, Store};
use tokio::sync::Semaphore;

use crate::audit::Trail;
use crate::certificate::Authorities;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::relay::Hub;

/// The platform, as its connections see it.
pub(crate) struct Platform {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) limits: Limits,
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

    /// What a new Space is made from.
    pub(crate) fn space_spec(&self) -> SpaceSpec {
        space_spec(&self.config)
    }
}

/// What a new Space is made from, under this configuration.
pub(crate) fn space_spec(config: &Config) -> SpaceSpec {
    let space = &config.space;
    SpaceSpec {
        image: space.image.clone(),
        cpu_millis: space.cpu_millis,
        memory_mib: space.memory_mib,
        pids: space.pids,
    }
}
