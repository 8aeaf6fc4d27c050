//! What is seen: everything of this installation, and nothing of another.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use bollard::query_parameters::{KillContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Change, Observed, Progress, ProvisionError, Provisioner};

use crate::harness::Stage;

#[tokio::test]
async fn two_installations_do_not_see_each_other() -> Result<()> {
    let (one, other) = (Stage::new().await?, Stage::new().await?);
    let space = SpaceId::new(1);
    one.docker.ensure_running(&one.blueprint(1), &Progress::none()).await?;

    assert_eq!(other.docker.observe(space).await?, Observed::Absent);
    assert!(other.docker.observe_all().await?.is_empty());
    other.docker.ensure_stopped(space, Duration::ZERO).await?;
    other.docker.ensure_absent(space).await?;
    assert_eq!(one.docker.observe(space).await?, Observed::Running);

    other.docker.ensure_running(&other.blueprint(1), &Progress::none()).await?;
    other.docker.ensure_absent(space).await?;
    assert_eq!(one.docker.observe_all().await?, BTreeMap::from([(space, Observed::Running)]));
    Ok(())
}

#[tokio::test]
async fn all_that_is_left_of_a_space_is_seen_and_removed() -> Result<()> {
    let stage = Stage::new().await?;
    for number in [1, 2, 3] {
        stage.docker.ensure_running(&stage.blueprint(number), &Progress::none()).await?;
    }
    stage.docker.ensure_stopped(SpaceId::new(2), Duration::from_secs(5)).await?;
    let force = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    stage.engine.remove_container(&stage.name_of(3), Some(force)).await?;

    let expected = [(1, Observed::Running), (2, Observed::Stopped), (3, Observed::Absent)];
    let expected = expected.map(|(number, observed)| (SpaceId::new(number), observed));
    assert_eq!(stage.docker.observe_all().await?, BTreeMap::from(expected));

    for (space, _observed) in expected {
        stage.docker.ensure_absent(space).await?;
    }
    assert!(stage.docker.observe_all().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_start_a_kill_and_a_removal_from_outside_are_told() -> Result<()> {
    let stage = Stage::new().await?;
    let mut changes = stage.docker.changes();
    // Not polled yet: the engine must replay it.
    stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    next(&mut changes).await?;

    let kill = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
    stage.engine.kill_container(&stage.name_of(1), Some(kill)).await?;
    next(&mut changes).await?;
    assert_eq!(stage.docker.observe(SpaceId::new(1)).await?, Observed::Stopped);

    let force = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    stage.engine.remove_container(&stage.name_of(1), Some(force)).await?;
    next(&mut changes).await
}

async fn next(changes: &mut BoxStream<'static, Result<Change, ProvisionError>>) -> Result<()> {
    let change = tokio::time::timeout(Duration::from_secs(10), changes.next()).await?.context("ended")??;
    assert_eq!(change, Change { space: SpaceId::new(1) });
    Ok(())
}
