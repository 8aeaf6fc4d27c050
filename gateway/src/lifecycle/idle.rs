//! Stops Spaces that do nothing, where somebody wants that, and says of each what it did last.
//!
//! ```text
//! each round: what counters have grown by -> work, or none -> for too long: what its guest knows of jobs
//!             -> none either: nobody comes in any more -> intent (store) -> stop
//! ```
//!
//! Nothing is written down of what was seen: after a start of the gateway every Space begins anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use spaces_protocol::failure::shortened;
use spaces_protocol::frame::{Held, Hold as Asked, Job};
use spaces_protocol::name::{Reason, SpaceId};
use spaces_protocol::session::SessionNumber;
use spaces_protocol::setting::short;
use spaces_provisioner::{Counter, Reading};
use spaces_store::{Desired, Hold, Observed, Space};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::{Lifecycle, LifecycleError, run};
use crate::relay::{HoldAsked, NoJobs};
use crate::tasks;

/// Processor time that is work, in thousandths of a core: daemons that wait take less.
const PROCESSOR: u64 = 20;

/// Bytes a second that are work, to and from disks and the network together.
const BYTES: u64 = 16_000;

/// How often a guest is asked for jobs, at most, and how long it may take.
const ASK_EVERY: Duration = Duration::from_mins(1);
const ASK: Duration = Duration::from_secs(5);

/// Guests that are asked at once.
const AT_ONCE: usize = 8;

/// Longest hold.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// Work of a Space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// It was started, or the gateway was.
    Started,
    /// Somebody came in, or a connection carried something.
    Traffic,
    /// So many thousandths of a core.
    Processor(u64),
    /// So many bytes a second, to and from disks and the network.
    Bytes(u64),
    /// A program in the foreground of a held terminal.
    Job(SessionNumber, String),
    /// Somebody in it wants it up.
    Held,
    /// Nobody knows: its guest, older than this gateway, does not tell of jobs.
    Untold,
    /// Nobody knows: its guest did not answer.
    Unanswered,
}

/// What a Space did last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Activity {
    /// What.
    pub(crate) work: Work,
    /// How long ago.
    pub(crate) ago: Duration,
    /// After how long without work it is stopped.
    pub(crate) limit: Duration,
}

/// All Spaces that run.
#[derive(Debug)]
pub(super) struct Idle {
    platform: Option<Duration>,
    known: Mutex<HashMap<SpaceId, Watched>>,
    /// One round at a time: asking and stopping take longer than a reading.
    round: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
struct Watched {
    seen: Seen,
    work: Work,
    worked_at: Instant,
    asked_at: Option<Instant>,
}

/// What was read of one Space.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    at: Instant,
    traffic: u64,
    cpu: Option<Counter>,
    bytes: u64,
}

/// One that has done nothing as far as counters tell.
struct Quiet {
    space: SpaceId,
    /// What had passed when that was so.
    passed: u64,
    limit: Duration,
}

impl Idle {
    pub(super) fn new(platform: Option<Duration>) -> Self {
        Self { platform, known: Mutex::default(), round: Arc::new(Semaphore::new(1)) }
    }

    fn limit(&self, space: &Space) -> Option<Duration> {
        space.idle_stop.or(self.platform)
    }

    /// Takes what was read, and gives those whose guests are to be asked.
    fn look(&self, spaces: &[(&Space, Seen)], now: Timestamp) -> Vec<Quiet> {
        let mut known = self.known();
        known.retain(|id, _watched| spaces.iter().any(|(space, _seen)| space.id == *id));
        let look = |(space, seen): &(&Space, Seen)| {
            let watched = known.entry(space.id).or_insert_with(|| Watched::new(seen.clone()));
            watched.look(seen.clone(), space.hold.as_ref().is_some_and(|hold| hold.until > now));
            let limit = self.limit(space)?;
            let due = watched.is_to_be_asked(limit, seen.at);
            due.then_some(Quiet { space: space.id, passed: seen.traffic, limit })
        };
        spaces.iter().filter_map(look).collect()
    }

    /// Takes what a guest told, and says whether its Space is to be stopped.
    fn told(&self, quiet: &Quiet, jobs: Result<Vec<Job>, NoJobs>) -> bool {
        let mut known = self.known();
        let Some(watched) = known.get_mut(&quiet.space) else { return false };
        let now = Instant::now();
        watched.asked_at = Some(now);
        match jobs.map(|jobs| jobs.into_iter().next()) {
            Ok(None) => {}
            Ok(Some(job)) => watched.works(Work::Job(job.session, shortened(&job.program, 32)), now),
            Err(NoJobs::Unknown) => watched.works(Work::Untold, now),
            Err(NoJobs::Silent) => watched.works(Work::Unanswered, now),
        }
        watched.worked_at.elapsed() >= quiet.limit
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SpaceId, Watched>> {
        // What is in it is whole at every moment.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn new(seen: Seen) -> Self {
        Self { worked_at: seen.at, seen, work: Work::Started, asked_at: None }
    }

    fn look(&mut self, seen: Seen, held: bool) {
        if let Some(work) = if held { Some(Work::Held) } else { work(&self.seen, &seen) } {
            self.works(work, seen.at);
        }
        self.seen = seen;
    }

    fn works(&mut self, work: Work, at: Instant) {
        self.work = work;
        self.worked_at = at;
    }

    /// Counters know nothing of a job that waits: so each Space without other work is asked, now and then, and right
    /// before it would be stopped.
    fn is_to_be_asked(&self, limit: Duration, now: Instant) -> bool {
        let idle = now - self.worked_at;
        let every = ASK_EVERY.min(limit / 4);
        let lately = self.asked_at.is_some_and(|asked| now - asked < every);
        idle >= limit || (!lately && idle >= every)
    }
}

/// What was done between two readings, if that is work.
fn work(before: &Seen, now: &Seen) -> Option<Work> {
    let micros = u64::try_from((now.at - before.at).as_micros()).unwrap_or(u64::MAX).max(1);
    let cpu = match (&before.cpu, &now.cpu) {
        (Some(before), Some(now)) if before.from == now.from => now.seen.saturating_sub(before.seen),
        // A machine that was started anew.
        (Some(_), Some(_)) => return Some(Work::Started),
        (None, Some(_) | None) | (Some(_), None) => 0,
    };
    let cpu = cpu.saturating_mul(1000) / micros;
    let bytes = now.bytes.saturating_sub(before.bytes).saturating_mul(1_000_000) / micros;
    if now.traffic != before.traffic {
        Some(Work::Traffic)
    } else if cpu >= PROCESSOR {
        Some(Work::Processor(cpu))
    } else if bytes >= BYTES {
        Some(Work::Bytes(bytes))
    } else {
        None
    }
}

impl Lifecycle {
    /// What a Space that runs did last, if it is to be stopped without work.
    pub(crate) fn activity(&self, space: &Space) -> Option<Activity> {
        let limit = self.idle.limit(space).filter(|_limit| is_up(space))?;
        let known = self.idle.known();
        let (work, ago) = match known.get(&space.id) {
            Some(watched) => (watched.work.clone(), watched.worked_at.elapsed()),
            // It was not looked at yet.
            None => (Work::Started, Duration::ZERO),
        };
        Some(Activity { work, ago, limit })
    }

    /// Takes holds for ever.
    pub(crate) async fn take_holds(self: Arc<Self>, mut asked: mpsc::Receiver<HoldAsked>) {
        while let Some(HoldAsked { space, hold, answer }) = asked.recv().await {
            let held = self.take_hold(space, hold).await.unwrap_or_else(|error| {
                warn!(%space, error = &error as &dyn std::error::Error, "a hold was not taken");
                Held::Refused("the platform's store does not answer".to_owned())
            });
            // Whoever asked may have gone: the hold is there all the same.
            drop(answer.send(held));
        }
    }

    async fn take_hold(&self, space: SpaceId, asked: Asked) -> Result<Held, LifecycleError> {
        if asked.seconds == 0 {
            self.store.end_hold(space).await?;
            return Ok(Held::Ended);
        }
        let Ok(reason) = asked.reason.parse::<Reason>() else {
            return Ok(Held::Refused("a reason is one line of at most 500 characters".to_owned()));
        };
        let time = Duration::from_secs(asked.seconds);
        if time > LONGEST {
            return Ok(Held::Refused("a hold lasts seven days at most; take another one then".to_owned()));
        }
        let hold = Hold { until: Timestamp::now() + time, reason: reason.to_string() };
        // It is as good as coming in: either the Space is not stopped any more, or it is too late.
        if !self.hub.enter(space) {
            return Ok(Held::Refused("the space is being stopped".to_owned()));
        }
        let Some(standing) = self.store.hold(space, &hold).await? else {
            return Ok(Held::Refused("the space is being stopped".to_owned()));
        };
        Ok(Held::Until(format!("{:.0}", standing.until)))
    }

    /// Stops those that have done no work for too long. Nobody waits for it; while one round goes on, others are left out.
    pub(super) fn look_for_idle(self: &Arc<Self>, spaces: Vec<Space>, readings: BTreeMap<SpaceId, Reading>) {
        let Ok(round) = Arc::clone(&self.idle.round).try_acquire_owned() else { return };
        let lifecycle = Arc::clone(self);
        drop(tasks::spawn("idle", async move {
            lifecycle.look_closer(&spaces, &readings).await;
            drop(round);
        }));
    }

    async fn look_closer(self: &Arc<Self>, spaces: &[Space], readings: &BTreeMap<SpaceId, Reading>) {
        let seen = |space: &Space| {
            let bytes = |reading: &Reading| {
                let sent = reading.egress_bytes.as_ref().map(|counter| counter.seen);
                [reading.io_bytes, sent, reading.ingress_bytes].into_iter().flatten().sum()
            };
            let reading = readings.get(&space.id)?;
            let (at, traffic) = (Instant::now(), self.hub.passed(space.id));
            Some(Seen { at, traffic, cpu: reading.cpu_micros.clone(), bytes: bytes(reading) })
        };
        let running: Vec<(&Space, Seen)> = spaces
            .iter()
            .filter(|space| is_up(space))
            .filter_map(|space| Some((space, seen(space)?)))
            .collect();
        let quiet = self.idle.look(&running, Timestamp::now());
        let ask = async |quiet: Quiet| {
            let jobs = timeout(ASK, self.hub.jobs(quiet.space)).await.unwrap_or(Err(NoJobs::Silent));
            if self.idle.told(&quiet, jobs) {
                self.stop_idle(quiet).await;
            }
        };
        futures_util::stream::iter(quiet).for_each_concurrent(AT_ONCE, ask).await;
    }

    /// As a person would stop it, but that entering it starts it.
    async fn stop_idle(self: &Arc<Self>, quiet: Quiet) {
        let lifecycle = Arc::clone(self);
        let stopped = run(&self.metrics, "idle_stop", async move {
            let id = quiet.space;
            // Whoever holds the lock does something with it.
            let Some(_held) = lifecycle.locks.try_hold(id) else { return Ok(()) };
            let Some(space) = lifecycle.store.space(id).await? else { return Ok(()) };
            let held = space.hold.as_ref().is_some_and(|hold| hold.until > Timestamp::now());
            let due = lifecycle.idle.limit(&space).is_some_and(|limit| limit <= quiet.limit);
            if !is_up(&space) || held || !due || !lifecycle.hub.close_if_quiet(id, quiet.passed) {
                return Ok(());
            }
            info!(space = %id, without_work = ?quiet.limit, "stopping an idle space");
            if let Err(error) = lifecycle.intend(id, Desired::Asleep(Timestamp::now())).await {
                lifecycle.hub.let_in(id);
                return Err(error);
            }
            // Whoever wakes it hears nothing of before.
            lifecycle.idle.known().remove(&id);
            let limit = short(quiet.limit);
            let text = format!(
                "space {}: it did no work for {limit} and is stopped; entering starts it",
                space.name
            );
            lifecycle.hub.announce(id, &text);
            lifecycle.make_it_stop(id).await.map(drop)
        });
        // Logged where it ran; reconciliation stops what should be.
        drop(stopped.await);
    }
}

fn is_up(space: &Space) -> bool {
    (space.desired, space.observed) == (Desired::Running, Observed::Running)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(second: u64, traffic: u64, cpu: u64, bytes: u64) -> Seen {
        static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let at = *BEGIN.get_or_init(Instant::now) + Duration::from_secs(second);
        Seen { at, traffic, cpu: Some(Counter { from: "a".to_owned(), seen: cpu }), bytes }
    }

    #[test]
    fn work_is_what_counters_show_above_a_floor() {
        let before = seen(0, 5, 1_000_000, 1_000_000);
        assert_eq!(work(&before, &before), None);
        assert_eq!(work(&before, &seen(10, 6, 1_000_000, 1_000_000)), Some(Work::Traffic));
        assert_eq!(work(&before, &seen(10, 5, 1_199_000, 1_159_000)), None);
        assert_eq!(work(&before, &seen(10, 5, 1_200_000, 1_000_000)), Some(Work::Processor(20)));
        assert_eq!(work(&before, &seen(10, 5, 1_000_000, 1_160_000)), Some(Work::Bytes(16_000)));
        let mut anew = seen(10, 5, 3, 0);
        anew.cpu = Some(Counter { from: "b".to_owned(), seen: 3 });
        assert_eq!(work(&before, &anew), Some(Work::Started));
        let unread = Seen { cpu: None, ..seen(10, 5, 0, 0) };
        assert_eq!(work(&before, &unread), None);
    }

    #[test]
    fn a_space_is_asked_now_and_then_and_right_before_it_is_stopped() {
        let mut watched = Watched::new(seen(0, 0, 0, 0));
        let (begin, limit) = (watched.worked_at, Duration::from_hours(2));
        assert!(!watched.is_to_be_asked(limit, begin));
        assert!(watched.is_to_be_asked(limit, begin + ASK_EVERY));
        watched.asked_at = Some(begin + ASK_EVERY);
        assert!(!watched.is_to_be_asked(limit, begin + ASK_EVERY));
        watched.asked_at = Some(begin + limit);
        assert!(watched.is_to_be_asked(limit, begin + limit), "it is due");
        watched.look(seen(7200, 0, 0, 0), true);
        assert_eq!((watched.work.clone(), watched.is_to_be_asked(limit, begin + limit)), (Work::Held, false));
    }
}
