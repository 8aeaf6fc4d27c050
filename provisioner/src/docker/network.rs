//! A Space's network: a bridge with a /29 of its own.

use bollard::query_parameters::InspectNetworkOptions;

use super::changes::Moment;
use super::creation::Kind;
use super::deadline::{CALL, within};
use super::{Machine, specification};
use crate::error::accept;
use crate::{ProvisionError, Subnet};

impl Machine<'_> {
    /// Makes the network, unless there is one of its name. Which subnets are taken only the engine knows, so
    /// it is asked by trying.
    pub(super) async fn ensure_network(&self) -> Result<(), ProvisionError> {
        let pool = self.settings.subnets;
        let seed = self.settings.installation.seed_of(self.space);
        let since = Moment::now();
        let mut looked = false;
        for subnet in pool.candidates(seed) {
            let Err(error) = self.create_network(subnet).await else {
                return Ok(());
            };
            // The subnet may be taken by this very network, made by an earlier attempt.
            if !looked && self.network_exists().await? {
                return Ok(());
            }
            looked = true;
            if error.is_interface_taken() {
                // The interface is this Space's alone: an attempt that was given up still makes the network.
                self.wait_for_creation(Kind::Network, &since).await;
                return Ok(());
            }
            if !error.is_overlap() {
                return Err(error);
            }
        }
        Err(ProvisionError::OutOfSubnets { pool })
    }

    async fn create_network(&self, subnet: Subnet) -> Result<(), ProvisionError> {
        let request = specification::network(self.space, subnet, &self.settings.installation);
        let created = within("create the network", CALL, self.client.create_network(request)).await;
        // Newer engines refuse a second network of one name by this status.
        accept(409, created.map(drop))
    }

    async fn network_exists(&self) -> Result<bool, ProvisionError> {
        let inspected = self.client.inspect_network(&self.name, None::<InspectNetworkOptions>);
        match within("inspect the network", CALL, inspected).await {
            Ok(_network) => Ok(true),
            Err(error) if error.is_status(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the network.
    pub(super) async fn remove_network(&self) -> Result<(), ProvisionError> {
        accept(404, within("remove the network", CALL, self.client.remove_network(&self.name)).await)
    }
}
