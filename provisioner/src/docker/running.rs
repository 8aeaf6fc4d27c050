//! Machines that run: their processes and cgroups, for what the engine has no call for. The engine is asked once for
//! each start of a machine, since a reading of all of them must cost next to nothing.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::query_parameters::{InspectContainerOptions, InspectContainerOptionsBuilder};
use spaces_protocol::name::SpaceId;
use tracing::{debug, warn};

use super::crowds::{Crowd, Look, Weight};
use super::deadline::{CALL, within};
use super::{Engine, machine, survey};
use crate::meter::{self, Cgroup, Counters, Interfaces};
use crate::writes::{self, Writes};
use crate::{Binding, Blueprint, Counter, Disk, Egress, ProvisionError, Reading, egress};

/// Longest walk through the files of a machine, and through what it holds open or was lent.
const WALK: Duration = Duration::from_secs(3);
const SHORT_WALK: Duration = Duration::from_millis(500);

/// What the engine itself writes there is less.
const MOST_LENT: u64 = 1_000_000;

/// What is known of one machine's present run.
#[derive(Debug)]
pub(super) struct Run {
    container: String,
    /// Its first process, as this host numbers it.
    pub(super) pid: i32,
    pub(super) cgroup: Cgroup,
    pub(super) counters: Counters,
    /// Where the files are that it wrote, where the engine keeps them apart from the image's.
    pub(super) layer: Option<PathBuf>,
    /// What of the engine's own folders it may write all the same: its /etc/hosts and such, and volumes of its image.
    lent: Vec<PathBuf>,
}

/// The runs that are known, and the rates that they are held to.
#[derive(Debug, Default)]
pub(super) struct Runs(Mutex<HashMap<SpaceId, Known>>);

/// Mbit a second; `None` is as fast as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate(Option<NonZeroU32>);

#[derive(Debug)]
struct Known {
    run: Arc<Run>,
    /// The rate that it was given; none before that.
    shaped: Option<Rate>,
    crowd: Crowd,
}

impl Runs {
    fn of(&self, space: SpaceId, container: &str) -> Option<Arc<Run>> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = &runs.get(&space)?.run;
        (run.container == container && run.cgroup.stands()).then(|| Arc::clone(run))
    }

    /// The present run, without asking the engine.
    fn present(&self, space: SpaceId) -> Option<Arc<Run>> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = Arc::clone(&runs.get(&space)?.run);
        run.cgroup.stands().then_some(run)
    }

    fn keep(&self, space: SpaceId, run: &Arc<Run>) {
        let known = Known { run: Arc::clone(run), shaped: None, crowd: Crowd::default() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(space, known);
    }

    /// Those that have ended: of one that is not among these some may have started after the engine was asked.
    fn forget_others(&self, running: &BTreeMap<SpaceId, Arc<Run>>) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|space, known| running.contains_key(space) || known.run.cgroup.stands());
    }

    pub(super) fn all(&self) -> Vec<(SpaceId, Arc<Run>)> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter().map(|(space, known)| (*space, Arc::clone(&known.run))).collect()
    }

    /// Which have to weigh something else by these looks.
    pub(super) fn judge(&self, looks: &[(SpaceId, Look)]) -> Vec<(SpaceId, Weight)> {
        let (mut runs, now) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let judge =
            |(space, look): &(SpaceId, Look)| Some((*space, runs.get_mut(space)?.crowd.judge(*look, now)?));
        looks.iter().filter_map(judge).collect()
    }

    /// What a machine is to weigh.
    pub(super) fn weight(&self, space: SpaceId) -> Weight {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = runs.get(&space).filter(|known| known.run.cgroup.stands());
        known.map_or(Weight::Usual, |known| known.crowd.weight())
    }

    /// The rate that this very run was given.
    fn shaped(&self, space: SpaceId, run: &Run) -> Option<Rate> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(&space).filter(|known| std::ptr::eq(&raw const *known.run, run))?.shaped
    }

    fn set_shaped(&self, space: SpaceId, run: &Run, mbit: Option<NonZeroU32>) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = runs.get_mut(&space).filter(|known| std::ptr::eq(&raw const *known.run, run)) {
            known.shaped = Some(Rate(mbit));
        }
    }
}

/// `None`: the first of them cannot be read.
async fn walk(roots: Vec<PathBuf>, longest: Duration) -> Option<Disk> {
    tokio::task::spawn_blocking(move || meter::written(roots, Instant::now() + longest)).await.ok()?
}

/// What has no name any more.
async fn walk_open(run: Arc<Run>) -> Disk {
    let look = move || meter::nameless(&run.cgroup.processes(), Instant::now() + SHORT_WALK);
    let nothing = Disk { bytes: 0, complete: false, held: Binding::Soft };
    tokio::task::spawn_blocking(look).await.unwrap_or(nothing)
}

impl Engine {
    /// Reads all that run.
    pub(super) async fn measure_all(self: &Arc<Self>) -> Result<BTreeMap<SpaceId, Reading>, ProvisionError> {
        let running = self.running().await?;
        let engine = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let (installation, interfaces) = (&engine.settings.installation, Interfaces::read());
            let of = |(space, run): (SpaceId, Arc<Run>)| {
                (space, meter::read(&run.cgroup, &run.counters, &interfaces, installation, space))
            };
            running.into_iter().map(of).collect()
        });
        // A reading that crashed is none.
        Ok(read.await.unwrap_or_default())
    }

    /// Reads one that runs. Asks the engine only if nobody has looked at this run before.
    pub(super) async fn measure(self: &Arc<Self>, space: SpaceId) -> Result<Option<Reading>, ProvisionError> {
        let Some(run) = self.run(space).await? else { return Ok(None) };
        let engine = Arc::clone(self);
        let read = move || {
            let interfaces = Interfaces::read();
            meter::read(&run.cgroup, &run.counters, &interfaces, &engine.settings.installation, space)
        };
        Ok(tokio::task::spawn_blocking(read).await.ok())
    }

    /// What a machine has sent until now, whether or not it runs.
    pub(super) async fn measure_egress(self: &Arc<Self>, space: SpaceId) -> Option<Counter> {
        let engine = Arc::clone(self);
        let read = move || meter::egress(&Interfaces::read(), &engine.settings.installation, space);
        tokio::task::spawn_blocking(read).await.ok()?
    }

    /// What a machine has written beyond its image.
    pub(super) async fn measure_disk(
        &self,
        space: SpaceId,
        limit: Option<u64>,
    ) -> Result<Option<Disk>, ProvisionError> {
        let Some(run) = self.run(space).await? else { return self.measure_disk_by_engine(space).await };
        let quota = self.quota(space, &run, limit).await.unwrap_or_else(|error| {
            warn!(%space, error = &error as &dyn std::error::Error, "its quota could not be read or set");
            None
        });
        let own = match (quota, &run.layer) {
            (Some(quota), _) => Some(Disk { bytes: quota.bytes, complete: true, held: quota.held }),
            // The engine would walk the whole image too with some of its storage drivers.
            (None, Some(layer)) => match walk(vec![layer.clone()], WALK).await {
                Some(named) => Some(named.and(walk_open(Arc::clone(&run)).await)),
                None => None,
            },
            (None, None) => None,
        };
        let own = match own {
            Some(own) => Some(own),
            None => self.measure_disk_by_engine(space).await?,
        };
        let lent = walk(run.lent.clone(), SHORT_WALK).await;
        let Some((own, lent)) = own.zip(lent) else { return Ok(own) };
        let held = if lent.bytes > MOST_LENT { Binding::Soft } else { own.held };
        self.storage.found(space, held);
        Ok(Some(Disk { held, ..own.and(lent) }))
    }

    /// How much of the file system is taken that machines write to.
    pub(super) async fn disk_taken(&self) -> Option<u64> {
        let layer = self.runs.all().into_iter().find_map(|(_space, run)| run.layer.clone())?;
        tokio::task::spawn_blocking(move || meter::taken(&layer)).await.ok()?
    }

    async fn measure_disk_by_engine(&self, space: SpaceId) -> Result<Option<Disk>, ProvisionError> {
        let name = self.settings.installation.name_of(space);
        let options = InspectContainerOptionsBuilder::default().size(true).build();
        let inspected = self.client().await?.inspect_container(&name, Some(options));
        let bytes = match within("measure the container's files", CALL, inspected).await {
            Ok(container) => container.size_rw.and_then(|bytes| u64::try_from(bytes).ok()),
            Err(error) if error.is_status(404) => None,
            Err(error) => return Err(error),
        };
        Ok(bytes.map(|bytes| Disk { bytes, complete: true, held: Binding::Soft }))
    }

    /// Before a machine runs: how much it may send.
    pub(super) async fn bound_amount(&self, blueprint: &Blueprint) -> Result<(), ProvisionError> {
        match &self.firewall {
            Some(firewall) => Ok(firewall.bound_egress_ahead(blueprint.space, &blueprint.egress).await?),
            None => Ok(()),
        }
    }

    /// Once it runs: how fast it may send. It runs then; what could not be set is set in the next round.
    pub(super) async fn bound_rate(&self, blueprint: &Blueprint) {
        if self.firewall.is_none() || blueprint.egress.mbit.is_none() {
            return;
        }
        let bounded = async {
            match self.run(blueprint.space).await? {
                Some(run) => self.shape(blueprint.space, &blueprint.egress, &run).await,
                None => Ok(()),
            }
        };
        if let Err(error) = bounded.await {
            warn!(error = &error as &dyn std::error::Error, "its rate could not be set");
        }
    }

    /// Holds what these machines send to their bounds: the amount also of those that do not run yet.
    pub(super) async fn bound_egress(&self, bounds: &[(SpaceId, Egress)]) -> Result<(), ProvisionError> {
        let Some(firewall) = &self.firewall else { return Ok(()) };
        firewall.bound_egress(bounds).await?;
        let mut first = Ok(());
        for (space, bound) in bounds {
            // One that cannot be held must not keep the others from it.
            if let Some(run) = self.runs.present(*space)
                && let Err(error) = self.shape(*space, bound, &run).await
            {
                warn!(%space, error = &error as &dyn std::error::Error, "its rate could not be set");
                first = first.and(Err(error));
            }
        }
        first
    }

    async fn shape(&self, space: SpaceId, bound: &Egress, run: &Run) -> Result<(), ProvisionError> {
        if self.runs.shaped(space, run) == Some(Rate(bound.mbit)) {
            return Ok(());
        }
        match egress::shape(run.pid, bound.mbit).await {
            Ok(()) => {
                self.runs.set_shaped(space, run, bound.mbit);
                Ok(())
            }
            // It ended meanwhile.
            Err(_) if !run.cgroup.stands() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the programs of a machine write to files, or not.
    pub(super) async fn bound_writes(&self, space: SpaceId, writes: Writes) -> Result<(), ProvisionError> {
        match self.run(space).await? {
            Some(run) => Ok(writes::set(&run.cgroup, writes).await?),
            None => Ok(()),
        }
    }

    /// A machine was started: finds what its kernel counts it by, which sets what has to be set there, so that it is held from
    /// its first moment and not from the next reading.
    pub(super) async fn begin(&self, space: SpaceId) -> Result<(), ProvisionError> {
        if self.runs.present(space).is_none() {
            let name = self.settings.installation.name_of(space);
            self.look_up(self.client().await?, space, name).await?;
        }
        Ok(())
    }

    /// The present run of one machine.
    pub(super) async fn run(&self, space: SpaceId) -> Result<Option<Arc<Run>>, ProvisionError> {
        match self.runs.present(space) {
            Some(run) => Ok(Some(run)),
            None => Ok(self.running().await?.remove(&space)),
        }
    }

    /// All that run now.
    async fn running(&self) -> Result<BTreeMap<SpaceId, Arc<Run>>, ProvisionError> {
        let client = self.client().await?;
        let mut running = BTreeMap::new();
        for (space, container) in survey::running(client, &self.settings.installation).await? {
            let run = match self.runs.of(space, &container) {
                Some(run) => Some(run),
                None => match self.look_up(client, space, container).await {
                    // The others are there all the same.
                    Err(error) if !matches!(error, ProvisionError::EngineUnavailable(_)) => {
                        warn!(%space, error = &error as &dyn std::error::Error, "it cannot be looked at");
                        None
                    }
                    looked_up => looked_up?,
                },
            };
            running.extend(run.map(|run| (space, run)));
        }
        self.runs.forget_others(&running);
        Ok(running)
    }

    async fn look_up(
        &self,
        client: &bollard::Docker,
        space: SpaceId,
        container: String,
    ) -> Result<Option<Arc<Run>>, ProvisionError> {
        let inspected = client.inspect_container(&container, None::<InspectContainerOptions>);
        let found = match within("inspect the container", CALL, inspected).await {
            Ok(found) => found,
            Err(error) if error.is_status(404) => return Ok(None),
            Err(error) => return Err(error),
        };
        // It may have been asked for by its name.
        let container = found.id.unwrap_or(container);
        let pid = found.state.and_then(|state| state.pid);
        let layer = machine::layer(found.graph_driver);
        let files = [found.hosts_path, found.hostname_path, found.resolv_conf_path].into_iter().flatten();
        let volumes =
            found.mounts.into_iter().flatten().filter(|mount| mount.typ.as_deref() == Some("volume"));
        let volumes = volumes.filter_map(|volume| volume.source);
        let lent = files.chain(volumes).map(PathBuf::from).collect();
        let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0) else {
            return Ok(None);
        };
        // It may end at any moment, and an engine elsewhere has processes that we do not see.
        let name = container.clone();
        let find = move || {
            let Some(cgroup) = Cgroup::of_process(pid, &name)? else { return Ok(None) };
            if let Err(error) = cgroup.bound_buffers() {
                debug!(%space, %error, "its network buffers are not counted");
            }
            let counters = match Counters::open(&cgroup) {
                Ok(counters) => counters,
                Err(error) => {
                    warn!(%space, %error, "what it uses cannot be read");
                    return Ok(None);
                }
            };
            procfs::ProcResult::Ok(Some((cgroup, counters)))
        };
        let found = match tokio::task::spawn_blocking(find).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                debug!(%space, error = &error as &dyn std::error::Error, "its cgroup cannot be found");
                None
            }
            Err(_crash) => None,
        };
        Ok(found.map(|(cgroup, counters)| {
            let run = Arc::new(Run { container, pid, cgroup, counters, layer, lent });
            self.runs.keep(space, &run);
            run
        }))
    }
}
