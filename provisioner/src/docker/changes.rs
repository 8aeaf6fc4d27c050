//! The engine's events about our containers, as hints.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::EventMessage;
use bollard::query_parameters::{EventsOptions, EventsOptionsBuilder};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::Engine;
use crate::{Change, Installation, ProvisionError};

/// A moment from which on the engine is to tell its events, as its API takes it. The engine's clock is ours:
/// it runs on this host.
#[derive(Debug)]
pub(super) struct Moment(String);

impl Moment {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(format!("{}.{:09}", since.as_secs(), since.subsec_nanos()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Changes since the call, not since the first poll: the engine replays what happened between, so that a
/// caller who subscribes, then lists, then listens, misses nothing.
pub(super) fn from_now_on(engine: Arc<Engine>) -> BoxStream<'static, Result<Change, ProvisionError>> {
    let since = Moment::now();
    // No deadline: that nothing happens is the rule. An engine that goes away closes the stream.
    let changes = stream::once(subscribe(engine, since)).try_flatten().boxed();
    // Unfolded, so that it ends behind its first error.
    stream::try_unfold(changes, |mut changes| async move {
        let change = changes.next().await.unwrap_or(Err(ProvisionError::AnswerEnded))?;
        Ok(Some((change, changes)))
    })
    .boxed()
}

async fn subscribe(
    engine: Arc<Engine>,
    since: Moment,
) -> Result<BoxStream<'static, Result<Change, ProvisionError>>, ProvisionError> {
    let events = engine.client().await?.events(Some(options(&engine.settings.installation, &since))).boxed();
    let changes =
        events.map_err(|fault| ProvisionError::new("tell its events", fault)).try_filter_map(move |event| {
            let change = change(event, &engine.settings.installation);
            async move { Ok(change) }
        });
    Ok(changes.boxed())
}

fn options(installation: &Installation, since: &Moment) -> EventsOptions {
    let mut filters = installation.filter();
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    filters.insert("event".to_owned(), ["die", "start", "destroy"].map(str::to_owned).to_vec());
    EventsOptionsBuilder::default().since(since.as_str()).filters(&filters).build()
}

fn change(event: EventMessage, installation: &Installation) -> Option<Change> {
    let space = installation.space_of(event.actor?.attributes?.get("name")?)?;
    Some(Change { space })
}
