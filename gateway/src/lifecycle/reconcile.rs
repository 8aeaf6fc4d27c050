//! Reads the intents and the engine, and carries on where somebody stopped: at start, when the engine comes
//! back, on its events, and every so often.
//!
//! What is stopped behind our back while we watch is shown as stopped and left so (an operator had a reason);
//! what is found stopped after a start of the gateway or the engine, and should run, is started.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Observed as Found, Progress};
use spaces_store::{Desired, Limits, Observed, Space};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tracing::{error, info, warn};

use super::{Lifecycle, LifecycleError};
use crate::tasks;

/// Spaces that are worked on at once.
const AT_ONCE: usize = 4;

/// What to do about a Space that should run and is found stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Restart,
    Leave,
}

/// What a round has to see to.
#[derive(Debug, Clone, Copy)]
enum Amiss {
    Space(SpaceId),
    /// Of a Space that is gone.
    Leftover(SpaceId),
}

/// What a Space needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    Record(Observed),
    Run,
    Stop,
    Remove,
}

impl Lifecycle {
    /// Listens for the guest of every Space. A guest that runs dials at once.
    pub(crate) async fn open_doors(&self) -> Result<(), LifecycleError> {
        for space in self.store.all_spaces().await? {
            self.hub.open_door(space.id).map_err(LifecycleError::Door)?;
        }
        Ok(())
    }

    /// Watches the engine for ever. The first round starts what should run.
    pub(crate) async fn watch(self: Arc<Self>, every: Duration) {
        loop {
            match self.watch_while_connected(every).await {
                Ok(()) => info!("the engine's events ended"),
                Err(error) => warn!(error = &error as &dyn std::error::Error, "the engine does not answer"),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn watch_while_connected(self: &Arc<Self>, every: Duration) -> Result<(), LifecycleError> {
        self.provisioner.ping().await?;
        let mut changes = self.provisioner.changes();
        self.reconcile_all(Stopped::Restart).await?;
        info!("store and engine agree");
        let mut tick = interval_at(Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let room = Arc::new(Semaphore::new(64));
        loop {
            tokio::select! {
                change = changes.next() => {
                    let Some(change) = change else { return Ok(()) };
                    let space = change?.space;
                    let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
                    let lifecycle = Arc::clone(self);
                    drop(tasks::spawn("event", async move {
                        lifecycle.reconcile_one(space, Stopped::Leave).await;
                        drop(permit);
                    }));
                }
                _ = tick.tick() => match self.reconcile_all(Stopped::Leave).await {
                    Err(error) if error.is_engine_away() => return Err(error),
                    Err(error) => warn!(error = &error as &dyn std::error::Error, "a round was not finished"),
                    Ok(()) => {}
                },
            }
        }
    }

    /// Compares everything. The engine is read first: a container whose Space the store does not know then is
    /// a leftover, because the store hears of a Space before the engine does.
    async fn reconcile_all(self: &Arc<Self>, stopped: Stopped) -> Result<(), LifecycleError> {
        self.keep_apart().await?;
        let found: HashMap<SpaceId, Found> = self.provisioner.observe_all().await?.into_iter().collect();
        let folders = self.hub.folders().map_err(LifecycleError::Door)?;
        let spaces = self.store.all_spaces().await?;
        let known: Vec<SpaceId> = spaces.iter().map(|space| space.id).collect();
        let held: BTreeSet<SpaceId> = found.keys().chain(&folders).copied().collect();
        let leftovers = held.into_iter().filter(|id| !known.contains(id));
        for space in &spaces {
            // The guest of a Space that runs dials already.
            self.hub.open_door(space.id).map_err(LifecycleError::Door)?;
        }
        // What the survey shows to be as it should be needs no look of its own: there may be thousands.
        let amiss = spaces.into_iter().filter(|space| {
            let found = found.get(&space.id).copied().unwrap_or(Found::Absent);
            next_step(space, found, stopped) != Step::Nothing || space.limits == Limits::Due
        });
        // Leftovers last: what is left of one may be killed programs that take a minute to be gone.
        let amiss = amiss.map(|space| Amiss::Space(space.id)).chain(leftovers.map(Amiss::Leftover));
        futures_util::stream::iter(amiss)
            .for_each_concurrent(AT_ONCE, |amiss| async move {
                match amiss {
                    Amiss::Space(id) => self.reconcile_one(id, stopped).await,
                    Amiss::Leftover(id) => self.remove_leftover(id).await,
                }
            })
            .await;
        Ok(())
    }

    /// That they are not must not keep us from looking after them: those that run go on, and no other one starts.
    async fn keep_apart(&self) -> Result<(), LifecycleError> {
        match self.provisioner.ensure_isolated().await.map_err(LifecycleError::from) {
            // The rules that stand go on holding.
            Err(error) if error.is_late() => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "whether spaces are kept apart could not be told in time");
                Ok(())
            }
            Err(error) if !error.is_engine_away() => {
                error!(error = &error as &dyn std::error::Error, "spaces are not kept apart");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// One that cannot be removed must not keep the others from being looked at.
    async fn remove_leftover(&self, id: SpaceId) {
        warn!(space = %id, "removing what is left of a space that is gone");
        let removed = async {
            self.provisioner.ensure_absent(id).await?;
            self.hub.shut_door(id).map_err(LifecycleError::Door)
        };
        if let Err(error) = removed.await {
            warn!(space = %id, error = &error as &dyn std::error::Error, "it cannot be removed");
        }
    }

    async fn reconcile_one(self: &Arc<Self>, id: SpaceId, stopped: Stopped) {
        let lifecycle = Arc::clone(self);
        let outcome = super::run(&self.metrics, "reconcile", async move {
            // Whoever holds the lock confirms what it did; waiting would hold up all the others.
            let Some(_held) = lifecycle.locks.try_hold(id) else { return Ok(()) };
            // Read again under the lock: an operation may have just ended.
            let Some(space) = lifecycle.store.space(id).await? else {
                lifecycle.locks.forget(id);
                return Ok(());
            };
            // Before anything else: the guest of a Space that runs dials us already.
            lifecycle.hub.open_door(id).map_err(LifecycleError::Door)?;
            let found = lifecycle.provisioner.observe(id).await?;
            lifecycle.take(next_step(&space, found, stopped), id).await?;
            match space.desired {
                Desired::Running | Desired::Stopped | Desired::Asleep(_) => {
                    lifecycle.make_limits_bind(id).await.map(drop)
                }
                Desired::Deleted => Ok(()),
            }
        });
        // Logged where it ran; the next round tries again.
        drop(outcome.await);
    }

    async fn take(&self, step: Step, id: SpaceId) -> Result<(), LifecycleError> {
        match step {
            Step::Nothing => Ok(()),
            Step::Record(observed) => self.confirm(id, observed).await,
            Step::Run => self.make_it_run(id, &Progress::none()).await.map(drop),
            Step::Stop => self.make_it_stop(id).await.map(drop),
            Step::Remove => self.make_it_go(id).await,
        }
    }
}

fn next_step(space: &Space, found: Found, stopped: Stopped) -> Step {
    let record = |observed| {
        if space.observed == observed { Step::Nothing } else { Step::Record(observed) }
    };
    match (space.desired, found) {
        (Desired::Deleted, _) => Step::Remove,
        (Desired::Running, Found::Running) => record(Observed::Running),
        (Desired::Running, Found::Stopped) => match (stopped, space.observed) {
            // Created and not started yet: a crash between the two.
            (Stopped::Restart, _) | (Stopped::Leave, Observed::Absent) => Step::Run,
            (Stopped::Leave, Observed::Failed) => Step::Nothing,
            (Stopped::Leave, Observed::Running | Observed::Stopped | Observed::Missing) => {
                record(Observed::Stopped)
            }
        },
        (Desired::Running, Found::Absent) => match space.observed {
            Observed::Absent => Step::Run,
            // Tried again at each start, not each round.
            Observed::Failed if stopped == Stopped::Restart => Step::Run,
            Observed::Failed => Step::Nothing,
            Observed::Running | Observed::Stopped | Observed::Missing => record(Observed::Missing),
        },
        (Desired::Stopped | Desired::Asleep(_), Found::Running) => Step::Stop,
        (Desired::Stopped | Desired::Asleep(_), Found::Stopped) => record(Observed::Stopped),
        (Desired::Stopped | Desired::Asleep(_), Found::Absent) => match space.observed {
            Observed::Absent | Observed::Failed => Step::Nothing,
            Observed::Running | Observed::Stopped | Observed::Missing => record(Observed::Missing),
        },
    }
}
