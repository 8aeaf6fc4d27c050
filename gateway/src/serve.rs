//! Puts the parts together, runs them until a signal, and takes them apart in order.

use std::fmt::Write as _;
use std::fs::TryLockError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use spaces_provisioner::{Docker, DockerSettings, ImageName, Provisioner as _};
use spaces_store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::certificate::Authorities;
use crate::config::Config;
use crate::lifecycle::{Lifecycle, Rhythm, Settings};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::platform::Platform;
use crate::relay::{HoldAsked, Hub};
use crate::tasks::Owned;
use crate::{audit, host_key, metrics, open_files, relay, ssh, tasks};

/// How long the last entries of the audit trail may take to be written.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the lock of a gateway that was just killed may outlive it: a process on its way to becoming another program has
/// a copy of it.
const HANDOVER: Duration = Duration::from_secs(1);

/// What people come in by.
struct Entrance {
    listener: TcpListener,
    lanes: ssh::Lanes,
    ssh: russh::server::Config,
    metrics: Option<TcpListener>,
    holds: mpsc::Receiver<HoldAsked>,
}

/// Serves until SIGTERM or SIGINT. Spaces keep running, and the next start reaches them again.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    prepare_state(&config.state)?;
    let _alone = lock_state(&config.state).await?;
    open_files::raise_limit();
    let host_key = host_key::load_or_create(&config.state)?;
    let mark = host_key::mark(host_key.public_key())?;
    let names = &config.certificates.host_names;
    let (authorities, certificate) = Authorities::load_or_create(&config.state, &host_key, names)?;
    let store = open_store(&config).await?;
    let (hub, holds) =
        Hub::new(std::path::absolute(config.state.join("run"))?, config.isolation.user_namespace);
    let (hub, metrics) = (Arc::new(hub), Arc::new(Metrics::new()));
    let lifecycle = lifecycle(&config, &store, &hub, &metrics).await?;
    let listener =
        ssh::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let entrance = Entrance {
        listener,
        lanes: ssh::Lanes::start().context("cannot start threads")?,
        ssh: ssh::transport_config(host_key, certificate, &config.limits),
        metrics: bind_metrics(&config).await?,
        holds,
    };
    // Before the first connection: guests of Spaces that run are waiting for their doors.
    lifecycle.open_doors().await?;
    let (trail, entries) = audit::trail();
    let platform = Arc::new(Platform {
        limits: Limits::new(&config.limits),
        config,
        store,
        lifecycle,
        hub,
        metrics,
        trail,
        mark,
        authorities,
        leftovers: Semaphore::new(relay::LEFTOVERS),
    });
    run(platform, entrance, entries).await
}

async fn lifecycle(
    config: &Config,
    store: &Store,
    hub: &Arc<Hub>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Arc<Lifecycle>> {
    let guest = config.guest_program()?;
    anyhow::ensure!(guest.is_file(), "the guest program {} is not there: set `space.guest`", guest.display());
    let docker = Arc::new(docker(config, store).await?);
    let (store, hub, metrics) = (store.clone(), Arc::clone(hub), Arc::clone(metrics));
    let (stop_grace, idle_stop) = (config.space.stop_grace, config.space.idle_stop);
    Ok(Lifecycle::new(store, docker, hub, metrics, Settings { guest, stop_grace, idle_stop }))
}

/// Runs the parts until a signal, and takes them apart in order.
async fn run(platform: Arc<Platform>, entrance: Entrance, entries: audit::Entries) -> anyhow::Result<()> {
    let (config, store) = (&platform.config, platform.store.clone());
    let rhythm = Rhythm { every: config.metering.every, disk_every: config.metering.disk_every };
    let (every, state) = (config.engine.reconcile_every, config.state.clone());
    let (lifecycle, address) = (Arc::clone(&platform.lifecycle), entrance.listener.local_addr()?);
    let stop = CancellationToken::new();
    // Not vital: people are served without it.
    let _metrics = entrance
        .metrics
        .map(|listener| Owned::spawn("metrics", metrics::serve(listener, Arc::clone(&platform))));
    let mut vital = [
        Owned::spawn("audit", entries.keep(store.clone(), stop.clone())),
        Owned::spawn("meter", Arc::clone(&lifecycle).meter(rhythm)),
        Owned::spawn("crowds", Arc::clone(&lifecycle).mind_crowds()),
        Owned::spawn("holds", Arc::clone(&lifecycle).take_holds(entrance.holds)),
        Owned::spawn("watch", lifecycle.watch(every)),
        Owned::spawn("limits", forget_the_idle(Arc::clone(&platform))),
        Owned::spawn("accept", ssh::serve(entrance.listener, entrance.lanes, entrance.ssh, platform)),
    ];
    std::fs::write(state.join("address"), format!("{address}\n"))?;
    info!(%address, "serving");
    tokio::select! {
        signal = wait_for_signal() => signal?,
        // A gateway without one of them would look alive and not be: whoever watches us starts another.
        () = tasks::any_ends(&mut vital) => anyhow::bail!("a vital task crashed"),
    }
    info!("stopping; spaces keep running");
    let [mut trail, meter, crowds, holds, watch, limits, accept] = vital;
    // With the last, every connection: what they did is in the trail then.
    drop((meter, crowds, holds, watch, limits, accept));
    stop.cancel();
    if timeout(FAREWELL, trail.ended()).await.is_err() {
        error!("the audit trail could not be written to its end");
    }
    store.close().await;
    Ok(())
}

/// What `check` found, if nothing is wrong.
pub(crate) async fn check(config: Config) -> anyhow::Result<String> {
    prepare_state(&config.state)?;
    let store = open_store(&config).await?;
    let docker = docker(&config, &store).await?;
    let guest = config.guest_program()?;
    let image: ImageName = config.space.image.parse().context("space.image")?;
    let mut report = String::new();
    writeln!(report, "installation {}", store.installation().await?)?;
    writeln!(report, "state        {}", config.state.display())?;
    anyhow::ensure!(guest.is_file(), "the guest program {} is not there: set `space.guest`", guest.display());
    writeln!(report, "guest        {}", guest.display())?;
    docker.ping().await.with_context(|| format!("the engine at {}", config.engine.socket.display()))?;
    writeln!(report, "engine       {}", config.engine.socket.display())?;
    docker.try_isolation().await.context(
        "isolation.firewall: spaces cannot be kept apart here; run the gateway as root or with CAP_NET_ADMIN",
    )?;
    writeln!(report, "firewall     {}", config.isolation.firewall)?;
    docker.try_engine().await.context("engine.runtime, isolation.user_namespace")?;
    let here = docker.image_exists(&image).await?;
    write!(report, "image        {image}{}", if here { "" } else { " (not here: it will be pulled)" })?;
    Ok(report)
}

/// The state folder, for this user alone.
pub(crate) fn prepare_state(state: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

    if is_strange(state) {
        anyhow::bail!(
            "{} is no state folder: there are other files in it, and it is open to other users",
            state.display()
        );
    }
    let built = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
    built.with_context(|| format!("cannot make the state folder {}", state.display()))?;
    std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot protect the state folder {}", state.display()))
}

/// Whether a folder is somebody else's: to shut it would lock them out.
fn is_strange(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    let open = std::fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 0o077 != 0);
    let used = std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
    open && used && !folder.join("spaces.db").exists()
}

/// The store of this state folder.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let path = config.state.join("spaces.db");
    Store::open(&path).await.with_context(|| format!("cannot open the store {}", path.display()))
}

async fn bind_metrics(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address} for metrics"))?;
    let address = listener.local_addr()?;
    std::fs::write(config.state.join("metrics_address"), format!("{address}\n"))?;
    info!(%address, "metrics");
    Ok(Some(listener))
}

/// One gateway a state folder: two would fight over the sockets of the Spaces.
async fn lock_state(state: &Path) -> anyhow::Result<std::fs::File> {
    let path = state.join("lock");
    let file = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < HANDOVER => sleep(HANDOVER / 50).await,
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!("another gateway serves the state folder {}", state.display())
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the state folder"),
        }
    }
}

pub(crate) async fn docker(config: &Config, store: &Store) -> anyhow::Result<Docker> {
    let installation = store.installation().await?;
    Ok(Docker::new(DockerSettings {
        socket: config.engine.socket.clone(),
        installation: installation.as_str().parse()?,
        subnets: config.engine.network_pool,
        isolation: config.isolation.isolation(),
        runtime: Some(config.engine.runtime.clone()).filter(|runtime| !runtime.is_empty()),
        mapped_root: config.isolation.user_namespace,
    }))
}

async fn forget_the_idle(platform: Arc<Platform>) {
    let mut tick = interval(Duration::from_mins(10));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        platform.limits.forget_the_idle();
    }
}

pub(crate) async fn wait_for_signal() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_of_others_is_not_shut_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let mode =
            |mode| std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let is_shut = || folder.path().metadata().unwrap().permissions().mode() & 0o777 == 0o700;
        mode(0o1777);
        prepare_state(folder.path()).unwrap();
        assert!(is_shut(), "an empty one is taken");
        std::fs::write(folder.path().join("letter"), "").unwrap();
        prepare_state(folder.path()).unwrap();
        mode(0o755);
        assert!(prepare_state(folder.path()).is_err() && !is_shut());
        std::fs::write(folder.path().join("spaces.db"), "").unwrap();
        prepare_state(folder.path()).unwrap();
        assert!(is_shut(), "a platform's own");
    }
}
