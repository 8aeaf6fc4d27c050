//! A Space's container: make, start, stop, remove. Each takes "it is so already" for done.

use std::path::PathBuf;
use std::time::Duration;

use bollard::models::{DriverData, NetworkConnectRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tracing::info;

use super::changes::Moment;
use super::creation::Kind;
use super::crowds::Weight;
use super::deadline::{CALL, within};
use super::{Machine, pull, specification};
use crate::error::accept;
use crate::{Blueprint, Observed, Progress, ProvisionError};

/// How long programs may take to be gone that were killed: thousands of them with a small share of a processor take longer
/// than the ten seconds that the engine waits.
const DYING: Duration = Duration::from_mins(1);

/// Where the engine keeps what was written over the image, if it does so in a folder of its own.
pub(super) fn layer(driver: Option<DriverData>) -> Option<PathBuf> {
    driver?.data.get("UpperDir").map(PathBuf::from)
}

impl Machine<'_> {
    /// Starts the container. One that runs already is fine: the client takes the engine's 304 for success.
    pub(super) async fn start(&self) -> Result<(), ProvisionError> {
        within("start the container", CALL, self.client.start_container(&self.name, None)).await
    }

    /// Makes the container, unless there is one of its name: that one is of this Space, and adopted as it is.
    pub(super) async fn ensure_container(
        &self,
        blueprint: &Blueprint,
        size: Option<&str>,
        progress: &Progress,
    ) -> Result<(), ProvisionError> {
        progress.say("creating the machine");
        let since = Moment::now();
        let mut created = self.create(blueprint, size).await;
        // Nothing else that this call names can be missing.
        if created.as_ref().is_err_and(|error| error.is_status(404)) {
            pull::pull(self.client, &blueprint.image, progress).await?;
            created = self.create(blueprint, size).await;
        }
        match created {
            Err(error) if error.is_status(409) && self.observe().await? == Observed::Absent => {
                self.wait_for_creation(Kind::Container, &since).await;
                accept(409, self.create(blueprint, size).await)
            }
            created => accept(409, created),
        }
    }

    async fn create(&self, blueprint: &Blueprint, size: Option<&str>) -> Result<(), ProvisionError> {
        let body = specification::container(blueprint, self.settings, size)?;
        let options = CreateContainerOptionsBuilder::default().name(&self.name).build();
        within("create the container", CALL, self.client.create_container(Some(options), body))
            .await
            .map(drop)
    }

    /// Where the files are that it wrote. `None`: there is none, or they are not apart from the image's.
    pub(super) async fn layer(&self) -> Result<Option<PathBuf>, ProvisionError> {
        let inspected = self.client.inspect_container(&self.name, None::<InspectContainerOptions>);
        match within("inspect the container", CALL, inspected).await {
            Ok(found) => Ok(layer(found.graph_driver)),
            Err(error) if error.is_status(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the container the network of its name in the place of one that is no more. One call, so that no
    /// crash leaves a container without a network, which would start and look well.
    pub(super) async fn reconnect(&self) -> Result<(), ProvisionError> {
        let request = NetworkConnectRequest { container: self.name.clone(), endpoint_config: None };
        within("connect the network", CALL, self.client.connect_network(&self.name, request)).await
    }

    /// Holds the container to the blueprint's limits.
    pub(super) async fn limit(&self, blueprint: &Blueprint, weight: Weight) -> Result<(), ProvisionError> {
        let limits = specification::limits(blueprint, weight);
        let limited = self.client.update_container(&self.name, limits);
        accept(404, within("set the container's limits", CALL, limited).await)
    }

    /// Stops the container; the engine kills it when `grace` is over.
    pub(super) async fn stop(&self, grace: Duration) -> Result<(), ProvisionError> {
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options =
            StopContainerOptionsBuilder::default().t(i32::try_from(seconds).unwrap_or(i32::MAX)).build();
        let stopped = self.client.stop_container(&self.name, Some(options));
        match within("stop the container", grace.saturating_add(CALL), stopped).await {
            Err(error) if error.says_dying() => self.dead().await,
            outcome => accept(404, outcome),
        }
    }

    /// Removes the container, running or not, and the volumes that its image made it have.
    pub(super) async fn remove_container(&self) -> Result<(), ProvisionError> {
        let mut removed = self.try_remove().await;
        if removed.as_ref().is_err_and(ProvisionError::says_dying) {
            self.dead().await?;
            removed = self.try_remove().await;
        }
        match removed {
            // Somebody removes it already: done when they are.
            Err(error) if error.is_status(409) => self.ended("removed").await,
            outcome => accept(404, outcome),
        }
    }

    async fn try_remove(&self) -> Result<(), ProvisionError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = self.client.remove_container(&self.name, Some(options));
        within("remove the container", CALL, removed).await
    }

    /// Waits for its programs, killed and not gone when the engine had waited for them.
    async fn dead(&self) -> Result<(), ProvisionError> {
        info!(space = %self.space, "its programs were killed and take long to be gone");
        self.ended("not-running").await
    }

    /// Waits for what is under way.
    async fn ended(&self, condition: &str) -> Result<(), ProvisionError> {
        let options = WaitContainerOptionsBuilder::default().condition(condition).build();
        let mut ended = std::pin::pin!(self.client.wait_container(&self.name, Some(options)));
        let gone = async { ended.next().await.transpose() };
        match within("see the container end", DYING, gone).await {
            // The exit status of the program, which the client takes for an error, is nobody's concern here.
            Ok(Some(_status)) => Ok(()),
            // The engine went away meanwhile.
            Ok(None) => Err(ProvisionError::AnswerEnded),
            Err(error) if error.is_exit_status() => Ok(()),
            Err(error) => accept(404, Err(error)),
        }
    }
}
