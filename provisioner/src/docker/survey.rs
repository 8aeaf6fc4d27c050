//! What the engine holds of us.

use std::collections::BTreeMap;

use bollard::models::ContainerSummaryStateEnum;
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
};
use futures_util::future::try_join;
use spaces_protocol::name::SpaceId;

use super::Machine;
use super::deadline::{CALL, within};
use crate::{Installation, Observed, ProvisionError};

impl Machine<'_> {
    /// What the container does now.
    pub(super) async fn observe(&self) -> Result<Observed, ProvisionError> {
        let inspected = self.client.inspect_container(&self.name, None::<InspectContainerOptions>);
        match within("inspect the container", CALL, inspected).await {
            Ok(container) => {
                let running = container.state.and_then(|state| state.running) == Some(true);
                Ok(if running { Observed::Running } else { Observed::Stopped })
            }
            Err(error) if error.is_status(404) => Ok(Observed::Absent),
            Err(error) => Err(error),
        }
    }
}

/// Every Space that has a container or a network here. What carries our label but not a name of ours was not
/// made by us, and could not be removed by its Space's id: left out.
pub(super) async fn observe_all(
    client: &bollard::Docker,
    installation: &Installation,
) -> Result<BTreeMap<SpaceId, Observed>, ProvisionError> {
    let (networks, containers) =
        try_join(networks(client, installation), containers(client, installation)).await?;
    let mut observed: BTreeMap<_, _> = networks.into_iter().map(|space| (space, Observed::Absent)).collect();
    observed.extend(containers);
    Ok(observed)
}

/// The Spaces that have a network.
pub(super) async fn networks(
    client: &bollard::Docker,
    installation: &Installation,
) -> Result<Vec<SpaceId>, ProvisionError> {
    let options = ListNetworksOptionsBuilder::default().filters(&installation.filter()).build();
    let listed = within("list the networks", CALL, client.list_networks(Some(options))).await?;
    Ok(listed.into_iter().filter_map(|network| installation.space_of(&network.name?)).collect())
}

/// The containers that run, by their ids.
pub(super) async fn running(
    client: &bollard::Docker,
    installation: &Installation,
) -> Result<Vec<(SpaceId, String)>, ProvisionError> {
    let options = ListContainersOptionsBuilder::default().filters(&installation.filter()).build();
    let listed = within("list the containers", CALL, client.list_containers(Some(options))).await?;
    let running = listed.into_iter().filter_map(|container| {
        let space = container.names?.iter().find_map(|name| installation.space_of(name))?;
        Some((space, container.id?))
    });
    Ok(running.collect())
}

async fn containers(
    client: &bollard::Docker,
    installation: &Installation,
) -> Result<Vec<(SpaceId, Observed)>, ProvisionError> {
    let options = ListContainersOptionsBuilder::default().all(true).filters(&installation.filter()).build();
    let listed = within("list the containers", CALL, client.list_containers(Some(options))).await?;
    let observed = listed.into_iter().filter_map(|container| {
        let space = container.names?.iter().find_map(|name| installation.space_of(name))?;
        Some((space, container.state.map_or(Observed::Stopped, observed)))
    });
    Ok(observed.collect())
}

/// Paused counts as running, as it does in an inspection: it holds its memory.
fn observed(state: ContainerSummaryStateEnum) -> Observed {
    use ContainerSummaryStateEnum as State;
    match state {
        State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING => Observed::Running,
        State::EMPTY | State::CREATED | State::EXITED | State::REMOVING | State::DEAD => Observed::Stopped,
    }
}
