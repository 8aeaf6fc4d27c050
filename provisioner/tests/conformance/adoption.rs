//! What an attempt before left half done is taken over, not tripped over.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Observed, Progress, Provisioner};

use crate::harness::Stage;

#[tokio::test]
async fn a_container_that_was_made_and_never_started_is_adopted() -> Result<()> {
    let stage = Stage::new().await?;
    let program = Mount {
        typ: Some(MountType::BIND),
        source: stage.path("polite").to_str().map(str::to_owned),
        target: Some("/init".to_owned()),
        ..Mount::default()
    };
    let body = ContainerCreateBody {
        image: Some(stage.image.to_string()),
        user: Some("0:0".to_owned()),
        entrypoint: Some(vec!["/init".to_owned()]),
        labels: Some(stage.labels(1)),
        host_config: Some(HostConfig {
            network_mode: Some(stage.name_of(1)),
            mounts: Some(vec![program]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(&stage.name_of(1)).build();
    let made = stage.engine.create_container(Some(options), body).await?;
    assert_eq!(stage.docker.observe(SpaceId::new(1)).await?, Observed::Stopped);

    stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;

    assert_eq!(stage.docker.observe(SpaceId::new(1)).await?, Observed::Running);
    let top = stage.engine.top_processes(&made.id, None::<bollard::query_parameters::TopOptions>).await?;
    assert!(top.processes.is_some_and(|processes| processes.len() == 1), "the very container runs");
    Ok(())
}

/// An attempt is cut off at many moments, as by a gateway that is killed; the next one always gets there, and
/// no second network comes to be.
#[tokio::test]
async fn an_attempt_cut_off_at_any_moment_does_not_hinder_the_next() -> Result<()> {
    let stage = Stage::new().await?;
    let (blueprint, nobody) = (stage.blueprint(1), Progress::none());
    for moment in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233] {
        let attempt = stage.docker.ensure_running(&blueprint, &nobody);
        drop(tokio::time::timeout(Duration::from_millis(moment), attempt).await);
        stage.docker.ensure_running(&blueprint, &nobody).await?;
        assert_eq!(stage.docker.observe(SpaceId::new(1)).await?, Observed::Running, "{moment} ms");
        assert_eq!(stage.subnets().await?.len(), 1, "{moment} ms");
        stage.docker.ensure_absent(SpaceId::new(1)).await?;
    }
    Ok(())
}

/// Several gateways make the same Space at once, against the rule.
#[tokio::test]
async fn several_attempts_at_once_make_one_machine() -> Result<()> {
    let stage = Stage::new().await?;
    let blueprint = stage.blueprint(1);
    let nobody = Progress::none();
    let attempts = [(); 3].map(|()| stage.docker.ensure_running(&blueprint, &nobody));
    futures_util::future::try_join_all(attempts).await?;
    let all = stage.docker.observe_all().await?;
    assert_eq!(all, BTreeMap::from([(SpaceId::new(1), Observed::Running)]));
    assert_eq!(stage.subnets().await?.len(), 1);
    Ok(())
}
