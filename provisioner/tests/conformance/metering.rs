//! What machines use, and bounds on it.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result};
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Binding, Egress, Progress, Provisioner, Writes};

use crate::harness::Stage;

#[tokio::test]
async fn a_machine_that_runs_is_read_and_each_run_has_counters_of_its_own() -> Result<()> {
    let stage = Stage::new().await?;
    let (docker, space) = (&stage.docker, SpaceId::new(1));
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    docker.ensure_running(&stage.blueprint(2), &Progress::none()).await?;
    docker.ensure_stopped(SpaceId::new(2), Duration::from_secs(5)).await?;
    let readings = docker.measure_all().await?;
    assert_eq!(readings.keys().collect::<Vec<_>>(), [&space], "those that run");
    let first = readings.into_values().next().context("a reading")?;
    assert_eq!(first.pids, Some(1));
    assert_eq!(first.oom_kills, Some(0));
    assert!(first.throttled_micros.is_some() && first.ingress_bytes.is_some(), "{first:?}");
    assert!(first.memory_bytes.is_some_and(|bytes| bytes > 0), "{first:?}");
    let before = first.cpu_micros.context("its processor time")?;
    assert!(first.egress_bytes.is_some(), "its network");
    let alone = docker.measure(space).await?.context("a reading")?;
    assert_eq!(alone.cpu_micros.context("its processor time")?.from, before.from);
    assert_eq!(docker.measure(SpaceId::new(77)).await?, None);
    docker.ensure_stopped(space, Duration::from_secs(5)).await?;
    assert_eq!(docker.measure(space).await?, None);
    assert!(docker.measure_egress(space).await.is_some(), "also of one that does not run");
    assert_eq!(docker.measure_egress(SpaceId::new(77)).await, None);
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    let second = docker.measure_all().await?.remove(&space).context("a reading")?;
    assert_ne!(second.cpu_micros.context("its processor time")?.from, before.from);
    assert!(
        docker.measure_disk(space, None).await?.is_some_and(|disk| disk.complete && disk.bytes < 1_000_000)
    );
    assert_eq!(docker.measure_disk(SpaceId::new(77), None).await?, None);
    assert!(docker.disk_taken().await.is_some_and(|bytes| bytes > 0));
    Ok(())
}

#[tokio::test]
async fn bounds_can_be_set_again_and_again_and_on_what_is_not_there() -> Result<()> {
    let stage = Stage::new().await?;
    let docker = &stage.docker;
    assert_eq!(docker.egress_binding(), Binding::Hard);
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    for (left, mbit) in [(Some(5), 8), (Some(0), 8), (Some(7), 0), (None, 0)] {
        let bound = Egress { left, counted: None, mbit: NonZeroU32::new(mbit) };
        docker.bound_egress(&[1, 77].map(|number| (SpaceId::new(number), bound.clone()))).await?;
    }
    for writes in [Writes::Refused, Writes::Refused, Writes::Allowed] {
        docker.bound_writes(SpaceId::new(1), writes).await?;
        docker.bound_writes(SpaceId::new(77), writes).await?;
    }
    Ok(())
}
