//! Makes what runs equal to what is true: the one place that joins store and provisioner, and the one writer
//! of a Space's state.
//!
//! ```text
//! intent (store) -> act (engine) -> confirm (store)
//! ```
//!
//! Each operation holds its Space's lock from intent to confirmation, runs in a task of its own (a client
//! that drops does not cut it in half), and is idempotent: after a SIGKILL anywhere, [`reconcile`] reads the
//! intents and carries on.

mod crowds;
mod error;
mod idle;
mod locks;
mod metering;
mod reconcile;
mod state;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spaces_protocol::name::SpaceId;
use spaces_provisioner::{
    Binding, Blueprint, Egress, Observed as Found, Progress, ProvisionError, Provisioner, Reading, Writes,
};
use spaces_store::{
    Budget, BudgetChange, Ceiling, Desired, Granted, Limits, Observed, SetBudget, Space, Store,
};
use tracing::{info, warn};

pub(crate) use error::{LifecycleError, store_unavailable};
pub(crate) use idle::{Activity, Work};
pub(crate) use metering::{MB, Rhythm};
pub(crate) use state::space_state;

use crate::identity::Managed;
use crate::metrics::Metrics;
use crate::relay::Hub;
use crate::tasks;

/// Joins what is true with what runs.
pub(crate) struct Lifecycle {
    store: Store,
    provisioner: Arc<dyn Provisioner>,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    guest: PathBuf,
    stop_grace: Duration,
    locks: locks::Locks,
    idle: idle::Idle,
}

/// What the configuration says of Spaces' lives.
pub(crate) struct Settings {
    /// The guest's program.
    pub(crate) guest: PathBuf,
    /// How long programs have to end.
    pub(crate) stop_grace: Duration,
    /// After how long without work a Space is stopped for which nothing else is set.
    pub(crate) idle_stop: Option<Duration>,
}

impl Lifecycle {
    pub(crate) fn new(
        store: Store,
        provisioner: Arc<dyn Provisioner>,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
        settings: Settings,
    ) -> Arc<Self> {
        let Settings { guest, stop_grace, idle_stop } = settings;
        let (locks, idle) = (locks::Locks::default(), idle::Idle::new(idle_stop));
        Arc::new(Self { store, provisioner, hub, metrics, guest, stop_grace, locks, idle })
    }

    /// A person wants this Space to run.
    pub(crate) async fn up(
        self: &Arc<Self>,
        space: &Managed,
        progress: Progress,
    ) -> Result<Space, LifecycleError> {
        let (lifecycle, id) = (Arc::clone(self), space.id);
        run(&self.metrics, "up", async move {
            let _held = lifecycle.locks.hold(id).await;
            lifecycle.intend(id, Desired::Running).await?;
            lifecycle.make_it_run(id, &progress).await
        })
        .await
    }

    /// A person wants this Space to stop, and to stay so.
    pub(crate) async fn down(self: &Arc<Self>, space: &Managed) -> Result<Space, LifecycleError> {
        let (lifecycle, id) = (Arc::clone(self), space.id);
        run(&self.metrics, "down", async move {
            let _held = lifecycle.locks.hold(id).await;
            lifecycle.intend(id, Desired::Stopped).await?;
            lifecycle.make_it_stop(id).await
        })
        .await
    }

    /// A person wants this Space gone, with all its data.
    pub(crate) async fn delete(self: &Arc<Self>, space: &Managed) -> Result<(), LifecycleError> {
        let (lifecycle, id) = (Arc::clone(self), space.id);
        run(&self.metrics, "delete", async move {
            let _held = lifecycle.locks.hold(id).await;
            lifecycle.intend(id, Desired::Deleted).await?;
            lifecycle.make_it_go(id).await
        })
        .await
    }

    /// An admin sets what this Space may use. The store has it first: what a crash leaves undone, the next round does.
    pub(crate) async fn set_budget(
        self: &Arc<Self>,
        id: SpaceId,
        budget: BudgetChange,
        ceiling: Ceiling,
    ) -> Result<Space, LifecycleError> {
        let lifecycle = Arc::clone(self);
        run(&self.metrics, "set_budget", async move {
            let _held = lifecycle.locks.hold(id).await;
            let before = lifecycle.stored(id).await?;
            match lifecycle.store.set_budget(id, budget, &ceiling).await? {
                SetBudget::Set => {
                    let space = lifecycle.make_limits_bind(id).await?;
                    if metering::writes(&space) != metering::writes(&before)
                        && let Err(error) = lifecycle.bound_writes(&space).await
                    {
                        // The next round of metering does it, too.
                        let error = &error as &dyn std::error::Error;
                        warn!(space = %id, error, "whether it may write could not be set");
                    }
                    Ok(space)
                }
                SetBudget::Absent => Err(LifecycleError::Gone),
                SetBudget::Overdrawn(over) => Err(LifecycleError::Overdrawn(over)),
            }
        })
        .await
    }

    /// Makes a Space real that the store was just told of.
    pub(crate) async fn realize(
        self: &Arc<Self>,
        id: SpaceId,
        progress: Progress,
    ) -> Result<Space, LifecycleError> {
        let lifecycle = Arc::clone(self);
        run(&self.metrics, "realize", async move {
            let _held = lifecycle.locks.hold(id).await;
            lifecycle.make_it_run(id, &progress).await
        })
        .await
    }

    /// Somebody wants to enter. Wakes a Space that nobody put to sleep, and only that.
    pub(crate) async fn ensure_running(
        self: &Arc<Self>,
        space: &Granted<Space>,
        progress: Progress,
    ) -> Result<(), LifecycleError> {
        match (space.desired, space.observed) {
            (Desired::Deleted, _) => Err(LifecycleError::Gone),
            (Desired::Stopped, _) => Err(LifecycleError::PutToSleep),
            (Desired::Running | Desired::Asleep(_), Observed::Missing) => Err(LifecycleError::Missing),
            // What is read here may be about to change: whoever stops an idle Space closes its gate first.
            (Desired::Running, Observed::Running) if self.hub.enter(space.id) => Ok(()),
            (Desired::Running | Desired::Asleep(_), _) => self.wake(space.id, progress).await,
        }
    }

    async fn wake(self: &Arc<Self>, id: SpaceId, progress: Progress) -> Result<(), LifecycleError> {
        let lifecycle = Arc::clone(self);
        run(&self.metrics, "wake", async move {
            let _held = lifecycle.locks.hold(id).await;
            if let Desired::Asleep(_) = lifecycle.stored(id).await?.desired {
                lifecycle.intend(id, Desired::Running).await?;
            }
            lifecycle.make_it_run(id, &progress).await.map(drop)
        })
        .await
    }

    /// Whether the engine answers: asked before an intent that a person would otherwise have to repeat.
    pub(crate) async fn engine_answers(&self) -> Result<(), LifecycleError> {
        Ok(self.provisioner.ping().await?)
    }

    /// What a Space uses now; `None` of one that does not run.
    pub(crate) async fn reading(&self, space: &Space) -> Result<Option<Reading>, LifecycleError> {
        match space.observed {
            Observed::Running => Ok(self.provisioner.measure(space.id).await?),
            Observed::Absent | Observed::Stopped | Observed::Missing | Observed::Failed => Ok(None),
        }
    }

    /// Whether the storage itself refuses what a Space may not write.
    pub(crate) fn disk_binding(&self, id: SpaceId) -> Binding {
        self.provisioner.disk_binding(id)
    }

    /// Whether it comes after all others, for it is full of processes.
    pub(crate) fn gives_way(&self, id: SpaceId) -> bool {
        self.provisioner.gives_way(id)
    }

    /// Whether a Space that has sent what it may is cut off.
    pub(crate) fn egress_binding(&self) -> Binding {
        self.provisioner.egress_binding()
    }

    /// Writes what a person wants. Deletion is final: after it there is nothing to want.
    async fn intend(&self, id: SpaceId, desired: Desired) -> Result<(), LifecycleError> {
        self.store.set_desired(id, desired).await?.ok_or(LifecycleError::Gone)
    }

    async fn make_it_run(&self, id: SpaceId, progress: &Progress) -> Result<Space, LifecycleError> {
        let space = self.stored(id).await?;
        match space.desired {
            Desired::Running => {}
            // Whoever enters wakes it first.
            Desired::Stopped | Desired::Asleep(_) => return Err(LifecycleError::PutToSleep),
            Desired::Deleted => return Err(LifecycleError::Gone),
        }
        self.hub.open_door(id).map_err(LifecycleError::Door)?;
        self.hub.let_in(id);
        let space = match self.make_limits_bind(id).await {
            // A start must not fail for limits that a crash left behind: those before them hold again.
            Err(error) if error.refusal().is_some() => self.stored(id).await?,
            bound => bound?,
        };
        let egress = self.count_egress(&space).await?;
        let outcome = self.provisioner.ensure_running(&self.blueprint(&space, egress)?, progress).await;
        let observed = match &outcome {
            Ok(()) => Observed::Running,
            // Says nothing about the Space.
            Err(
                ProvisionError::EngineUnavailable(_)
                | ProvisionError::AnswerEnded
                | ProvisionError::DeadlineExceeded { .. },
            ) => space.observed,
            Err(_) => Observed::Failed,
        };
        self.confirm(id, observed).await?;
        outcome?;
        if metering::writes(&space) == Writes::Refused {
            self.bound_writes(&space).await?;
        }
        Ok(Space { observed, ..space })
    }

    /// Holds a Space to the limits that were set for it, if the engine may not know them. What the engine will not have
    /// must not be shown as a limit: then those that held before are set again, and the refusal is the answer.
    async fn make_limits_bind(&self, id: SpaceId) -> Result<Space, LifecycleError> {
        let space = self.stored(id).await?;
        if space.limits == Limits::Bind {
            return Ok(space);
        }
        let refused = match self.tell_limits(&space).await {
            Err(error) if error.refusal().is_some() => error,
            told => return told.map(|()| space),
        };
        if self.store.take_back_limits(id).await?.is_some() {
            self.tell_limits(&self.stored(id).await?).await?;
        }
        Err(refused)
    }

    async fn tell_limits(&self, space: &Space) -> Result<(), LifecycleError> {
        let Budget { cpu_millis, memory_mib, pids, .. } = space.spec.budget;
        let egress = self.count_egress(space).await?;
        self.provisioner.ensure_limits(&self.blueprint(space, egress.clone())?).await?;
        self.provisioner.bound_egress(&[(space.id, egress)]).await?;
        self.store.limits_bind(space.id, &space.spec.budget).await?;
        info!(space = %space.id, cpu_millis, memory_mib, pids, "limits set");
        Ok(())
    }

    /// From the first moment on, and not from the next round.
    async fn bound_writes(&self, space: &Space) -> Result<(), LifecycleError> {
        match self.provisioner.disk_binding(space.id) {
            Binding::Hard => Ok(()),
            Binding::Soft => Ok(self.provisioner.bound_writes(space.id, metering::writes(space)).await?),
        }
    }

    async fn stored(&self, id: SpaceId) -> Result<Space, LifecycleError> {
        self.store.space(id).await?.ok_or(LifecycleError::Gone)
    }

    async fn make_it_stop(&self, id: SpaceId) -> Result<Space, LifecycleError> {
        let space = self.stored(id).await?;
        self.provisioner.ensure_stopped(id, self.stop_grace).await?;
        // What was never made, or is gone, does not become a stopped machine.
        let observed = match (self.provisioner.observe(id).await?, space.observed) {
            (Found::Absent, Observed::Absent | Observed::Failed | Observed::Missing) => space.observed,
            (Found::Absent, Observed::Running | Observed::Stopped) => Observed::Missing,
            (Found::Running | Found::Stopped, _) => Observed::Stopped,
        };
        self.confirm(id, observed).await?;
        Ok(Space { observed, ..space })
    }

    async fn make_it_go(&self, id: SpaceId) -> Result<(), LifecycleError> {
        self.provisioner.ensure_absent(id).await?;
        self.hub.shut_door(id).map_err(LifecycleError::Door)?;
        self.store.forget_space(id, jiff::Timestamp::now()).await?;
        self.locks.forget(id);
        info!(space = %id, "space deleted");
        Ok(())
    }

    async fn confirm(&self, id: SpaceId, observed: Observed) -> Result<(), LifecycleError> {
        info!(space = %id, state = ?observed, "space observed");
        // A Space that is forgotten meanwhile needs no record.
        self.store.set_observed(id, observed).await?;
        match observed {
            Observed::Running => {}
            Observed::Absent | Observed::Stopped | Observed::Failed | Observed::Missing => self.hub.ended(id),
        }
        Ok(())
    }

    fn blueprint(&self, space: &Space, egress: Egress) -> Result<Blueprint, LifecycleError> {
        Ok(Blueprint {
            space: space.id,
            hostname: space.name.to_string(),
            image: space.spec.image.parse()?,
            cpu_millis: space.spec.budget.cpu_millis,
            memory_mib: space.spec.budget.memory_mib,
            pids: space.spec.budget.pids,
            egress,
            disk_bytes: metering::disk_limit(space),
            guest: self.guest.clone(),
            socket_folder: self.hub.socket_folder(space.id),
        })
    }
}

/// Runs an operation to its end, whether or not whoever asked for it is still there.
async fn run<T, F>(metrics: &Metrics, name: &'static str, operation: F) -> Result<T, LifecycleError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, LifecycleError>> + Send + 'static,
{
    let began = Instant::now();
    let outcome = match tasks::spawn(name, operation).await {
        Ok(outcome) => outcome,
        Err(crash) => Err(LifecycleError::Crashed(crash)),
    };
    metrics.operation(name, if outcome.is_ok() { "done" } else { "failed" }, began.elapsed());
    if let Err(error) = &outcome {
        warn!(operation = name, error = error as &dyn std::error::Error, "operation failed");
    }
    outcome
}
