//! How many channels one connection may have: sessions, what its client forwards, and what programs in a Space want
//! to reach by way of it, all out of one number.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::{Metrics, Present};

/// The channels that a connection may still have. Clones share it.
#[derive(Clone)]
pub(crate) struct Budget {
    all: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    /// What programs in a Space may have of it. An eighth is the client's own, however much they connect.
    offered: Arc<Semaphore>,
}

/// Room for one channel, until it is dropped.
pub(crate) struct Room {
    _all: OwnedSemaphorePermit,
    _offered: Option<OwnedSemaphorePermit>,
    _counted: Present,
}

impl Budget {
    /// So many at once.
    pub(crate) fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        let (all, offered) = (Arc::new(Semaphore::new(most)), Arc::new(Semaphore::new(most - most / 8)));
        Self { all, metrics, offered }
    }

    /// For a channel that the client wants; it is told at once if there is no room.
    pub(crate) fn take(&self) -> Option<Room> {
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Room { _all: all, _offered: None, _counted: self.metrics.channel() })
    }

    /// For a channel that a program in the Space wants, which can wait. `None`: never.
    pub(crate) async fn wait(&self) -> Option<Room> {
        let offered = Arc::clone(&self.offered).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Room { _all: all, _offered: Some(offered), _counted: self.metrics.channel() })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn programs_in_a_space_leave_the_client_an_eighth() {
        let budget = Budget::new(16, Arc::new(Metrics::new()));
        let offered: Vec<_> = (0..100).map_while(|_| budget.wait().now_or_never()).collect();
        assert_eq!(offered.len(), 14);
        let taken: Vec<_> = (0..100).map_while(|_| budget.take()).collect();
        assert_eq!(taken.len(), 2);
        drop(offered);
        assert!(budget.take().is_some());
    }
}
