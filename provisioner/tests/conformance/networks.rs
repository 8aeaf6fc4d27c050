//! Each Space's own network.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use bollard::models::NetworkDisconnectRequest;
use bollard::query_parameters::InspectContainerOptions;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Observed, Progress, ProvisionError, Provisioner};

use crate::harness::Stage;

/// The address of a running machine on the network of its own name.
async fn address(stage: &Stage, number: i64) -> Result<String> {
    let machine =
        stage.engine.inspect_container(&stage.name_of(number), None::<InspectContainerOptions>).await?;
    let networks = machine.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let endpoint = networks.get(&stage.name_of(number)).context("not on its network")?;
    endpoint.ip_address.clone().filter(|address| !address.is_empty()).context("no address")
}

#[tokio::test]
async fn a_network_removed_behind_our_back_is_made_again() -> Result<()> {
    let stage = Stage::new().await?;
    let (docker, space) = (&stage.docker, SpaceId::new(1));
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    docker.ensure_stopped(space, Duration::from_secs(5)).await?;
    stage.engine.remove_network(&stage.name_of(1)).await?;

    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;

    assert_eq!(docker.observe(space).await?, Observed::Running);
    let before = address(&stage, 1).await?;
    docker.ensure_stopped(space, Duration::from_secs(5)).await?;
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    assert_eq!(address(&stage, 1).await?, before, "the repair outlives a restart");
    Ok(())
}

#[tokio::test]
async fn a_network_that_vanished_under_a_running_machine_hinders_no_removal() -> Result<()> {
    let stage = Stage::new().await?;
    stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    let request = NetworkDisconnectRequest { container: stage.name_of(1), force: Some(true) };
    stage.engine.disconnect_network(&stage.name_of(1), request).await?;
    stage.engine.remove_network(&stage.name_of(1)).await?;

    stage.docker.ensure_absent(SpaceId::new(1)).await?;

    assert!(stage.docker.observe_all().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_full_pool_is_told_and_a_freed_subnet_is_found() -> Result<()> {
    // A range that no other test uses: two subnets.
    let stage = Stage::with_pool("10.214.77.16/28").await?;
    for number in [1, 2] {
        stage.docker.ensure_running(&stage.blueprint(number), &Progress::none()).await?;
    }
    let refused = stage.docker.ensure_running(&stage.blueprint(3), &Progress::none()).await;
    assert!(matches!(refused, Err(ProvisionError::OutOfSubnets { .. })), "{refused:?}");
    assert_eq!(
        refused.map_err(|error| error.to_string()),
        Err("no free subnet found in the pool 10.214.77.16/28; give Spaces a larger pool".to_owned())
    );

    stage.docker.ensure_absent(SpaceId::new(1)).await?;
    stage.docker.ensure_running(&stage.blueprint(3), &Progress::none()).await?;

    let mut subnets = stage.subnets().await?;
    subnets.sort();
    assert_eq!(subnets, ["10.214.77.16/29", "10.214.77.24/29"]);
    Ok(())
}

#[tokio::test]
async fn the_rules_of_the_firewall_stand_while_there_is_a_machine() -> Result<()> {
    let stage = Stage::new().await?;
    let stand = || {
        let table = format!("spaces_{}", stage.installation);
        let listed = Command::new("nft").args(["list", "table", "inet", &table]).output();
        listed.is_ok_and(|output| output.status.success())
    };
    assert!(!stand());
    for number in [1, 2] {
        stage.docker.ensure_running(&stage.blueprint(number), &Progress::none()).await?;
        assert!(stand());
    }
    stage.docker.ensure_absent(SpaceId::new(1)).await?;
    assert!(stand(), "one machine is left");
    stage.docker.ensure_absent(SpaceId::new(2)).await?;
    assert!(!stand());
    stage.docker.ensure_isolated().await?;
    assert!(!stand(), "there is nothing to hold");
    Ok(())
}

#[tokio::test]
async fn the_hosts_interface_has_the_name_that_the_firewall_is_told() -> Result<()> {
    let stage = Stage::new().await?;
    stage.docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    let interface = stage.installation.interface(SpaceId::new(1));
    assert!(std::path::Path::new("/sys/class/net").join(&interface).exists(), "{interface}");
    Ok(())
}
