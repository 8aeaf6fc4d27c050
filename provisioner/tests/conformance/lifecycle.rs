//! A machine's life, each step twice.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bollard::query_parameters::{InspectContainerOptions, ListVolumesOptions};
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Blueprint, Observed, Progress, Provisioner};

use crate::harness::Stage;

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_step_twice_in_a_row_is_as_good_as_once() -> Result<()> {
    let stage = Stage::new().await?;
    let (docker, space) = (&stage.docker, SpaceId::new(1));
    for _life in 0..2 {
        assert_eq!(docker.observe(space).await?, Observed::Absent);
        for _start in 0..2 {
            for _twice in 0..2 {
                docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
                assert_eq!(docker.observe(space).await?, Observed::Running);
            }
            for _twice in 0..2 {
                docker.ensure_stopped(space, GRACE).await?;
                assert_eq!(docker.observe(space).await?, Observed::Stopped);
            }
        }
        for _twice in 0..2 {
            docker.ensure_absent(space).await?;
            assert_eq!(docker.observe(space).await?, Observed::Absent);
        }
        assert!(docker.observe_all().await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn what_was_never_there_can_be_stopped_and_removed() -> Result<()> {
    let stage = Stage::new().await?;
    stage.docker.ensure_stopped(SpaceId::new(4), GRACE).await?;
    stage.docker.ensure_absent(SpaceId::new(4)).await?;
    assert_eq!(stage.docker.observe(SpaceId::new(4)).await?, Observed::Absent);
    Ok(())
}

#[tokio::test]
async fn a_running_machine_is_removed_with_all_that_it_had() -> Result<()> {
    let stage = Stage::new().await?;
    stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    let machine = stage.engine.inspect_container(&stage.name_of(1), None::<InspectContainerOptions>).await?;
    let mounts = machine.mounts.context("no mounts")?;
    let volume = mounts.iter().find_map(|mount| mount.name.clone()).context("the image has a volume")?;

    stage.docker.ensure_absent(SpaceId::new(1)).await?;

    let volumes = stage.engine.list_volumes(None::<ListVolumesOptions>).await?.volumes.unwrap_or_default();
    assert!(!volumes.iter().any(|left| left.name == volume), "{volume} is left");
    assert_eq!(stage.subnets().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn two_removals_at_once_both_end_well() -> Result<()> {
    let stage = Stage::new().await?;
    for _again in 0..5 {
        stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
        let removals = [(); 3].map(|()| stage.docker.ensure_absent(SpaceId::new(1)));
        futures_util::future::try_join_all(removals).await?;
        assert!(stage.docker.observe_all().await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn a_machine_that_ends_when_asked_is_not_waited_for_and_a_stubborn_one_is_killed() -> Result<()> {
    let stage = Stage::new().await?;
    let stubborn = Blueprint { guest: stage.path("stubborn"), ..stage.blueprint(2) };
    stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    stage.docker.ensure_running(&stubborn, &Progress::none()).await?;

    let long = Duration::from_mins(1);
    let asked = Instant::now();
    stage.docker.ensure_stopped(SpaceId::new(1), long).await?;
    assert!(asked.elapsed() < long / 2, "{:?}", asked.elapsed());

    let short = Duration::from_millis(900);
    stage.docker.ensure_stopped(SpaceId::new(2), short).await?;
    assert_eq!(stage.docker.observe(SpaceId::new(2)).await?, Observed::Stopped);
    Ok(())
}

#[tokio::test]
async fn the_image_has_no_say_in_what_runs_and_the_limits_bind() -> Result<()> {
    let stage = Stage::new().await?;
    stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    let machine = stage.engine.inspect_container(&stage.name_of(1), None::<InspectContainerOptions>).await?;

    let config = machine.config.context("no config")?;
    assert_eq!(config.user.as_deref(), Some("0:0"));
    assert_eq!(config.hostname.as_deref(), Some("room-1"));
    assert_eq!(config.entrypoint, Some(vec!["/.spaces/bin/spaces-guest".to_owned()]));
    assert_eq!(config.stop_signal.as_deref(), Some("SIGTERM"));
    assert_eq!(machine.state.context("no state")?.health.and_then(|health| health.log), None);

    let host = machine.host_config.context("no host config")?;
    assert_eq!(host.nano_cpus, Some(500_000_000));
    assert_eq!((host.memory, host.memory_swap), (Some(64 << 20), Some((64 << 20) + 4096)));
    assert_eq!(host.pids_limit, Some(64));
    assert_eq!(host.privileged, Some(false));

    let mounts = machine.mounts.context("no mounts")?;
    let ours = mounts
        .iter()
        .filter(|mount| mount.destination.as_deref().is_some_and(|to| to.starts_with("/.spaces")));
    assert!(ours.clone().all(|mount| mount.rw == Some(false)), "{mounts:?}");
    assert_eq!(ours.count(), 2);
    Ok(())
}

#[tokio::test]
async fn many_machines_are_made_at_once() -> Result<()> {
    let stage = Stage::new().await?;
    let blueprints: Vec<_> = (1..=4).map(|number| stage.blueprint(number)).collect();
    let nobody = Progress::none();
    let starts = blueprints.iter().map(|blueprint| stage.docker.ensure_running(blueprint, &nobody));
    futures_util::future::try_join_all(starts).await?;
    assert_eq!(stage.docker.observe_all().await?.len(), 4);
    assert!(stage.docker.observe_all().await?.values().all(|observed| *observed == Observed::Running));
    Ok(())
}

#[tokio::test]
async fn the_person_who_waits_hears_what_is_done() -> Result<()> {
    let stage = Stage::new().await?;
    let (progress, mut heard) = Progress::channel();
    stage.docker.ensure_running(&stage.blueprint(1), &progress).await?;
    drop(progress);
    let mut sentences = Vec::new();
    while let Some(sentence) = heard.recv().await {
        sentences.push(sentence);
    }
    assert_eq!(sentences, ["creating the machine", "starting the machine"]);
    Ok(())
}

#[tokio::test]
async fn limits_bind_on_a_machine_that_runs_and_on_one_that_is_stopped() -> Result<()> {
    let stage = Stage::new().await?;
    let (docker, space) = (&stage.docker, SpaceId::new(1));
    docker.ensure_limits(&stage.blueprint(1)).await.context("one that is absent needs none")?;
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    for (memory_mib, pids) in [(99, 40), (48, 30)] {
        let limited = Blueprint { cpu_millis: 500, memory_mib, pids, ..stage.blueprint(1) };
        for _twice in 0..2 {
            docker.ensure_limits(&limited).await?;
        }
        let machine =
            stage.engine.inspect_container(&stage.name_of(1), None::<InspectContainerOptions>).await?;
        let config = machine.host_config.context("no limits")?;
        let memory = i64::from(memory_mib) << 20;
        assert_eq!(config.nano_cpus, Some(500_000_000));
        assert_eq!((config.memory, config.memory_swap), (Some(memory), Some(memory + 4096)));
        assert_eq!(config.pids_limit, Some(i64::from(pids)));
        docker.ensure_stopped(space, GRACE).await?;
    }
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    Ok(())
}
