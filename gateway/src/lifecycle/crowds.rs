//! Has Spaces that are full of processes give way to others.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::{Lifecycle, LifecycleError};

/// How often Spaces are looked at that may be full of processes.
const EVERY: Duration = Duration::from_secs(1);

impl Lifecycle {
    /// For ever. They are looked at often, since it is felt until then.
    pub(crate) async fn mind_crowds(self: Arc<Self>) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.provisioner.weigh_crowds().await.map_err(LifecycleError::from) {
                // Said where the engine is watched.
                Err(error) if error.is_engine_away() => {}
                Err(error) => warn!(error = &error as &dyn std::error::Error, "who gives way is not known"),
                Ok(()) => {}
            }
        }
    }
}
