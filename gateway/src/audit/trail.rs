//! Entries of the audit trail that nobody waits for. Those of a moment are written together: a sync of the disk for
//! each of a hundred short sessions would take the machine from the sessions.

use std::time::Duration;

use spaces_store::{AuditEntry, Store};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::tasks;

/// How long the first entry of a moment waits for others. So much of the trail a crash may lose.
const MOMENT: Duration = Duration::from_millis(100);

/// Most entries that are written together.
const TOGETHER: usize = 256;

/// Most that wait to be written; whoever adds more waits.
const WAITING: usize = 1024;

/// Where entries go.
pub(crate) struct Trail(Sender<AuditEntry>);

/// Where they come out.
pub(crate) struct Entries(Receiver<AuditEntry>);

/// Both ends.
pub(crate) fn trail() -> (Trail, Entries) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Trail(sender), Entries(receiver))
}

impl Trail {
    /// Adds an entry, to be written soon.
    pub(super) fn add(&self, entry: AuditEntry) {
        match self.0.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(entry)) => {
                let sender = self.0.clone();
                drop(tasks::spawn("audit", async move {
                    if let Err(lost) = sender.send(entry).await {
                        tell_lost(&[lost.0]);
                    }
                }));
            }
            Err(TrySendError::Closed(entry)) => tell_lost(&[entry]),
        }
    }
}

impl Entries {
    /// Writes them as they come, and what is left once the gateway stops.
    pub(crate) async fn keep(mut self, store: Store, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                first = self.0.recv() => first,
                () = stop.cancelled(), if !self.0.is_closed() => {
                    self.0.close();
                    continue;
                }
            };
            let Some(first) = first else {
                return;
            };
            tokio::select! {
                () = sleep(MOMENT) => {}
                () = stop.cancelled() => {}
            }
            let mut moment = vec![first];
            while moment.len() < TOGETHER
                && let Ok(entry) = self.0.try_recv()
            {
                moment.push(entry);
            }
            if let Err(error) = store.record_all(&moment).await {
                error!(error = &error as &dyn std::error::Error, "the audit trail was not written");
                tell_lost(&moment);
            }
        }
    }
}

/// The log is the next best place.
fn tell_lost(entries: &[AuditEntry]) {
    for AuditEntry { at, actor, action, target, outcome, .. } in entries {
        let actor = actor.as_ref().map(ToString::to_string);
        error!(%at, actor, %action, target, ?outcome, "an entry is not in the audit trail");
    }
}
