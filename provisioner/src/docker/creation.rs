//! Waiting for what another attempt is still making.
//!
//! An engine goes on with what it was asked, though whoever asked is gone. Meanwhile the name is taken, and what
//! it will name is not there yet: a start would not find it. The engine tells when it is.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;

use super::Machine;
use super::changes::Moment;

/// Longest wait. Making takes a tenth of a second; an attempt that fails frees the name and tells nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is being made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Container,
    Network,
}

impl Machine<'_> {
    /// Returns when the engine made this Space's container or network, after `since`, or when patience ends.
    /// What then is true, the next call finds out.
    pub(super) async fn wait_for_creation(&self, kind: Kind, since: &Moment) {
        let kind = match kind {
            Kind::Container => "container",
            Kind::Network => "network",
        };
        let filters =
            HashMap::from([("type", vec![kind]), ("event", vec!["create"]), (kind, vec![&self.name])]);
        let options = EventsOptionsBuilder::default().since(since.as_str()).filters(&filters).build();
        let mut events = pin!(self.client.events(Some(options)));
        let made = async {
            while let Some(Ok(event)) = events.next().await {
                // The filter lets longer names through that begin with ours.
                if name(&event) == Some(&self.name) {
                    return;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, made).await.is_err() {
            tracing::debug!(kind, "nothing was made by the attempt that holds the name");
        }
    }
}

fn name(event: &EventMessage) -> Option<&String> {
    event.actor.as_ref()?.attributes.as_ref()?.get("name")
}
