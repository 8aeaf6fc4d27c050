//! Entries of the audit trail that nobody waits for. Those of a moment are written together: a sync of the disk for
//! each of a hundred short sessions would take the machine from the sessions.

use std::time::Duration;

use spaces_store::{AuditEntry, Store};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How long the first entry of a moment waits for others. So much of the trail a crash may lose.
const MOMENT: Duration = Duration::from_millis(100);

/// Most entries that are written together.
const TOGETHER: usize = 256;

/// Most that wait to be written. What does not fit goes to the log alone: so many come from somebody who floods.
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
        if let Err(TrySendError::Full(entry) | TrySendError::Closed(entry)) = self.0.try_send(entry) {
            tell_lost(&[entry]);
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
            if self.0.len() < TOGETHER {
                tokio::select! {
                    () = sleep(MOMENT) => {}
                    () = stop.cancelled() => {}
                }
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use jiff::Timestamp;
    use spaces_store::Outcome;

    use super::*;

    fn entry(number: usize) -> AuditEntry {
        AuditEntry {
            at: Timestamp::UNIX_EPOCH,
            actor: None,
            key: None,
            from: None,
            action: Cow::Borrowed("space.enter"),
            target: Some(number.to_string()),
            outcome: Outcome::Done,
            detail: None,
        }
    }

    #[tokio::test]
    async fn what_was_added_before_the_stop_is_written_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let (trail, entries) = trail();
        // More than fits: what does not is in the log.
        (0..WAITING + 10).for_each(|number| trail.add(entry(number)));
        let stop = CancellationToken::new();
        stop.cancel();
        entries.keep(store.clone(), stop).await;
        let written = store.audit(u32::MAX).await.unwrap();
        let targets: Vec<_> = written.into_iter().rev().filter_map(|entry| entry.target).collect();
        assert_eq!(targets, (0..WAITING).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_entry_is_written_while_the_gateway_runs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let (trail, entries) = trail();
        let keep = entries.keep(store.clone(), CancellationToken::new());
        let look = async {
            trail.add(entry(1));
            while store.audit(1).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = keep => panic!("it ended"),
            () = look => {}
        }
    }
}
