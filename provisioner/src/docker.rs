//! The Docker Engine as a backend. Owns the order of calls; what they say is in the files beside.
//!
//! ```text
//! ensure_running:  start -- 204, 304 ------------------------------------------> runs
//!                    '- 404 -> make network | make container -> start -- 204 --> runs
//!                                                                 '- 404 -> reconnect -> start
//! ```
//!
//! Nothing is looked up before it is tried: the engine's refusals (304, 404, 409) say what is there, at the
//! moment at which it matters. So a machine that runs, or stopped, costs one call, and a new one its making.

mod changes;
mod creation;
mod crowds;
mod deadline;
mod facts;
mod machine;
mod network;
mod pull;
mod pull_report;
mod running;
mod specification;
mod storage;
mod survey;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use futures_util::stream::BoxStream;
use spaces_protocol::name::SpaceId;
use tokio::sync::{OnceCell, RwLock};
use tracing::{instrument, warn};

use self::crowds::Weight;
use self::deadline::{CALL, within};
use crate::firewall::Firewall;
use crate::{
    Binding, Blueprint, Change, Counter, Disk, Egress, ImageName, Installation, Isolation, IsolationError,
    MappedRoot, Observed, Progress, ProvisionError, Provisioner, Reading, SubnetPool, Writes,
};

/// Bollard's own limit for the head of an answer, in seconds: out of the way, since each call has ours.
const CLIENT_TIMEOUT: u64 = 24 * 60 * 60;

/// Which engine, and what of it is ours.
#[derive(Debug, Clone)]
pub struct DockerSettings {
    /// The engine's unix socket, `/var/run/docker.sock` on most hosts.
    pub socket: PathBuf,
    /// Whose containers and networks these are.
    pub installation: Installation,
    /// Where the Spaces' networks are cut from.
    pub subnets: SubnetPool,
    /// Who keeps them apart.
    pub isolation: Isolation,
    /// By which of the engine's runtimes new machines run; `None` is the engine's own choice.
    pub runtime: Option<String>,
    /// Whom their root is on this host, where the engine maps users.
    pub mapped_root: Option<MappedRoot>,
}

/// A local Docker Engine of API 1.41 or newer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docker {
    engine: Arc<Engine>,
}

#[derive(Debug)]
struct Engine {
    settings: DockerSettings,
    client: OnceCell<bollard::Docker>,
    /// None where somebody else keeps Spaces apart.
    firewall: Option<Firewall>,
    /// Shared by those who make a network, so that whoever removes the last one's rules is alone.
    networks: RwLock<()>,
    runs: running::Runs,
    storage: storage::Storage,
    facts: OnceCell<facts::Facts>,
}

/// One Space on a reachable engine.
struct Machine<'a> {
    client: &'a bollard::Docker,
    settings: &'a DockerSettings,
    space: SpaceId,
    /// Of the container, and of the network.
    name: String,
}

impl Docker {
    /// Asks nothing of the engine yet: each operation does, so that a gateway can start before its engine.
    #[must_use]
    pub fn new(settings: DockerSettings) -> Self {
        let firewall = match &settings.isolation {
            Isolation::Enforced(policy) => Some(Firewall::new(settings.installation.clone(), policy.clone())),
            Isolation::External => None,
        };
        let (client, networks) = (OnceCell::new(), RwLock::new(()));
        let (runs, storage, facts) = (running::Runs::default(), storage::Storage::default(), OnceCell::new());
        Self { engine: Arc::new(Engine { settings, client, firewall, networks, runs, storage, facts }) }
    }

    /// Whether Spaces could be kept apart here, as far as that can be told without one.
    pub async fn try_isolation(&self) -> Result<(), IsolationError> {
        match &self.engine.firewall {
            Some(firewall) => firewall.try_out().await,
            None => Ok(()),
        }
    }

    /// Whether the engine is set up as these settings say.
    pub async fn try_engine(&self) -> Result<(), ProvisionError> {
        self.engine.expect_facts().await
    }

    async fn machine(&self, space: SpaceId) -> Result<Machine<'_>, ProvisionError> {
        let client = self.engine.client().await?;
        let settings = &self.engine.settings;
        Ok(Machine { client, settings, space, name: settings.installation.name_of(space) })
    }
}

impl Engine {
    async fn ensure_isolated(&self) -> Result<(), ProvisionError> {
        match &self.firewall {
            Some(firewall) => Ok(firewall.ensure().await?),
            None => Ok(()),
        }
    }

    /// Makes a network that is held by the rules from its first moment.
    async fn ensure_network(&self, machine: &Machine<'_>) -> Result<(), ProvisionError> {
        let _shared = self.networks.read().await;
        self.ensure_isolated().await?;
        machine.ensure_network().await?;
        match &self.firewall {
            Some(firewall) => Ok(firewall.expect_interface(machine.space)?),
            None => Ok(()),
        }
    }

    /// Takes down what was there for a Space that is gone, and all of it with the last.
    async fn leave(&self, space: SpaceId) -> Result<(), ProvisionError> {
        if let Some(firewall) = &self.firewall {
            firewall.forget_egress(space).await?;
        }
        self.isolate_the_rest().await
    }

    /// Takes the rules down if no network is left.
    async fn isolate_the_rest(&self) -> Result<(), ProvisionError> {
        let Some(firewall) = &self.firewall else { return Ok(()) };
        let _alone = self.networks.write().await;
        match survey::networks(self.client().await?, &self.settings.installation).await {
            Ok(networks) if networks.is_empty() => Ok(firewall.remove().await?),
            // The kernel can be asked about the rules though the engine does not answer.
            listed => {
                firewall.ensure().await?;
                listed.map(drop)
            }
        }
    }

    /// The client, in the API version that both sides speak. A client holds no connection, so one that was
    /// made once outlives the engine's restarts.
    async fn client(&self) -> Result<&bollard::Docker, ProvisionError> {
        self.client
            .get_or_try_init(|| async {
                let socket = specification::absolute(&self.settings.socket)?;
                let what = "tell its API version";
                let client =
                    bollard::Docker::connect_with_unix(socket, CLIENT_TIMEOUT, bollard::API_DEFAULT_VERSION)
                        .map_err(|fault| ProvisionError::new(what, fault))?;
                within(what, CALL, client.negotiate_version()).await
            })
            .await
    }
}

impl Machine<'_> {
    async fn ensure_started(
        &self,
        engine: &Engine,
        blueprint: &Blueprint,
        progress: &Progress,
    ) -> Result<(), ProvisionError> {
        if let Some(firewall) = &engine.firewall
            && firewall.expect_interface(self.space).is_err()
        {
            // Not made yet, gone, or where the rules do not see it: one that could be started must not be.
            engine.ensure_network(self).await?;
        }
        match self.start().await {
            Err(error) if error.says_full() && engine.make_room(self, blueprint.disk_bytes).await => {
                return self.start().await;
            }
            // No container, or one whose network is gone: the next steps make whichever is missing.
            Err(error) if error.is_status(404) => {}
            started => return started,
        }
        engine.expect_facts().await?;
        let size = engine.storage_size(blueprint.disk_bytes).await?;
        // Both to their end even if one fails: what is under way when this returns would outrun a removal.
        let (network, container) =
            join(engine.ensure_network(self), self.ensure_container(blueprint, size.as_deref(), progress))
                .await;
        container.and(network)?;
        progress.say("starting the machine");
        match self.start().await {
            // The container remembers the id of a network that is no more.
            Err(error) if error.is_status(404) => {
                self.reconnect().await?;
                self.start().await
            }
            started => started,
        }
    }
}

#[async_trait]
impl Provisioner for Docker {
    #[instrument(skip_all, fields(space = %blueprint.space))]
    async fn ensure_running(&self, blueprint: &Blueprint, progress: &Progress) -> Result<(), ProvisionError> {
        let machine = self.machine(blueprint.space).await?;
        self.engine.ensure_isolated().await?;
        self.engine.bound_amount(blueprint).await?;
        machine.ensure_started(&self.engine, blueprint, progress).await?;
        if let Err(error) = self.engine.begin(blueprint.space).await {
            warn!(error = &error as &dyn std::error::Error, "what it uses cannot be read");
        }
        self.engine.bound_rate(blueprint).await;
        self.engine.bound_disk(blueprint).await;
        Ok(())
    }

    async fn ensure_isolated(&self) -> Result<(), ProvisionError> {
        self.engine.isolate_the_rest().await
    }

    #[instrument(skip_all, fields(space = %blueprint.space))]
    async fn ensure_limits(&self, blueprint: &Blueprint) -> Result<(), ProvisionError> {
        let weight = self.engine.runs.weight(blueprint.space);
        self.machine(blueprint.space).await?.limit(blueprint, weight).await?;
        self.engine.bound_disk(blueprint).await;
        Ok(())
    }

    fn egress_binding(&self) -> Binding {
        match &self.engine.firewall {
            Some(_) => Binding::Hard,
            None => Binding::Soft,
        }
    }

    async fn bound_egress(&self, bounds: &[(SpaceId, Egress)]) -> Result<(), ProvisionError> {
        self.engine.bound_egress(bounds).await
    }

    fn disk_binding(&self, space: SpaceId) -> Binding {
        self.engine.storage.binding(space)
    }

    async fn bound_writes(&self, space: SpaceId, writes: Writes) -> Result<(), ProvisionError> {
        self.engine.bound_writes(space, writes).await
    }

    async fn weigh_crowds(&self) -> Result<(), ProvisionError> {
        self.engine.weigh_crowds().await
    }

    fn gives_way(&self, space: SpaceId) -> bool {
        self.engine.runs.weight(space) == Weight::Least
    }

    async fn measure_all(&self) -> Result<BTreeMap<SpaceId, Reading>, ProvisionError> {
        self.engine.measure_all().await
    }

    async fn measure(&self, space: SpaceId) -> Result<Option<Reading>, ProvisionError> {
        self.engine.measure(space).await
    }

    async fn measure_egress(&self, space: SpaceId) -> Option<Counter> {
        self.engine.measure_egress(space).await
    }

    async fn measure_disk(&self, space: SpaceId, limit: Option<u64>) -> Result<Option<Disk>, ProvisionError> {
        self.engine.measure_disk(space, limit).await
    }

    async fn disk_taken(&self) -> Option<u64> {
        self.engine.disk_taken().await
    }

    #[instrument(skip_all, fields(%space))]
    async fn ensure_stopped(&self, space: SpaceId, grace: Duration) -> Result<(), ProvisionError> {
        self.machine(space).await?.stop(grace).await
    }

    #[instrument(skip_all, fields(%space))]
    async fn ensure_absent(&self, space: SpaceId) -> Result<(), ProvisionError> {
        let machine = self.machine(space).await?;
        // In this order: a network with a running container on it is not removed.
        machine.remove_container().await?;
        machine.remove_network().await?;
        self.engine.storage.forget(space);
        // What is gone needs no rules; those that are left are looked at again in a moment.
        if let Err(error) = self.engine.leave(space).await {
            warn!(error = &error as &dyn std::error::Error, "the firewall could not be looked at");
        }
        Ok(())
    }

    async fn observe(&self, space: SpaceId) -> Result<Observed, ProvisionError> {
        self.machine(space).await?.observe().await
    }

    async fn observe_all(&self) -> Result<BTreeMap<SpaceId, Observed>, ProvisionError> {
        survey::observe_all(self.engine.client().await?, &self.engine.settings.installation).await
    }

    fn changes(&self) -> BoxStream<'static, Result<Change, ProvisionError>> {
        changes::from_now_on(Arc::clone(&self.engine))
    }

    async fn ping(&self) -> Result<(), ProvisionError> {
        within("answer", CALL, self.engine.client().await?.ping()).await.map(drop)
    }

    async fn image_exists(&self, image: &ImageName) -> Result<bool, ProvisionError> {
        pull::image_exists(self.engine.client().await?, image).await
    }
}
