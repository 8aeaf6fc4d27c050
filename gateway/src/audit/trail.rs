//! The way of entries into the audit trail: one queue, so that they stand in the order in which things happened. Those
//! that nobody waits for are written together, a moment's at a time: a sync of the disk for each of a hundred short
//! sessions would take the machine from the sessions.

use std::time::Duration;

use spaces_store::{AuditEntry, Store};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How long the first entry of a moment waits for others. So much of the trail a crash may lose.
const MOMENT: Duration = Duration::from_millis(100);

/// Most entries that are written together.
const TOGETHER: usize = 256;

/// Most that wait to be written. What nobody waits for and does not fit goes to the log alone: so many come from
/// somebody who floods.
const WAITING: usize = 1024;

/// Where entries go.
pub(crate) struct Trail(Sender<Line>);

/// Where they come out.
pub(crate) struct Entries(Receiver<Line>);

struct Line {
    entry: AuditEntry,
    /// Whoever waits for it to be written, or to fail.
    settled: Option<oneshot::Sender<()>>,
}

/// Both ends.
pub(crate) fn trail() -> (Trail, Entries) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Trail(sender), Entries(receiver))
}

impl Trail {
    /// Adds an entry, to be written soon.
    pub(super) fn add(&self, entry: AuditEntry) {
        if let Err(unsent) = self.0.try_send(Line { entry, settled: None }) {
            tell_lost(&unsent.into_inner().entry);
        }
    }

    /// Adds an entry, and waits until it was written, or was not and is in the log.
    pub(super) async fn write(&self, entry: AuditEntry) {
        let (settled, wait) = oneshot::channel();
        match self.0.send(Line { entry, settled: Some(settled) }).await {
            // The other end is gone only with the gateway.
            Ok(()) => drop(wait.await),
            Err(unsent) => tell_lost(&unsent.0.entry),
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
            let moment = self.moment(first, &stop).await;
            let entries: Vec<_> = moment.iter().map(|line| &line.entry).collect();
            if let Err(error) = store.record_all(&entries).await {
                error!(error = &error as &dyn std::error::Error, "the audit trail was not written");
                entries.into_iter().for_each(tell_lost);
            }
            for settled in moment.into_iter().filter_map(|line| line.settled) {
                // Whoever gave up waiting is not told.
                let _gone = settled.send(()).is_err();
            }
        }
    }

    /// What is written together with the first: all that comes until somebody waits.
    async fn moment(&mut self, first: Line, stop: &CancellationToken) -> Vec<Line> {
        let mut moment = vec![first];
        let over = async {
            tokio::select! {
                () = sleep(MOMENT) => {}
                () = stop.cancelled() => {}
            }
        };
        tokio::pin!(over);
        while moment.len() < TOGETHER && moment.last().is_some_and(|line| line.settled.is_none()) {
            tokio::select! {
                line = self.0.recv() => match line {
                    Some(line) => moment.push(line),
                    None => break,
                },
                () = &mut over => break,
            }
        }
        while moment.len() < TOGETHER
            && let Ok(line) = self.0.try_recv()
        {
            moment.push(line);
        }
        moment
    }
}

/// The log is the next best place.
fn tell_lost(entry: &AuditEntry) {
    let AuditEntry { at, actor, action, target, outcome, .. } = entry;
    let actor = actor.as_ref().map(ToString::to_string);
    error!(%at, actor, %action, target, ?outcome, "an entry is not in the audit trail");
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
    async fn an_entry_that_is_waited_for_comes_after_those_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        let (trail, entries) = trail();
        let keep = entries.keep(store.clone(), CancellationToken::new());
        let write = async {
            for number in 0..3 {
                trail.add(entry(2 * number));
                trail.write(entry(2 * number + 1)).await;
                let newest = store.audit(2).await.unwrap().into_iter().filter_map(|entry| entry.target);
                let expected = [2 * number + 1, 2 * number].map(|number| number.to_string());
                assert_eq!(newest.collect::<Vec<_>>(), expected);
            }
            trail.add(entry(9));
            while store.audit(1).await.unwrap()[0].target.as_deref() != Some("9") {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = keep => panic!("it ended"),
            () = write => {}
        }
    }
}
