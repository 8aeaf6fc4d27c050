//! Machines that have as many processes as they may, and try for more: a fork bomb, mostly. What thousands of processes
//! cost that are held back and let go again is felt next door, so such a machine weighs next to nothing against others
//! where processor time is short, until it has not tried for a while.
//!
//! ```text
//! processes refused (kernel's counter) -> least weight -> none refused for a while -> usual weight
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::models::ContainerUpdateBody;
use spaces_protocol::name::SpaceId;
use tracing::info;

use super::Engine;
use super::deadline::{CALL, within};
use crate::ProvisionError;
use crate::error::accept;
use crate::meter::{Cgroup, value_in};

/// For how long no process must have been refused.
const CALM: Duration = Duration::from_secs(10);

/// What the kernel's file takes, and more.
const FILE: usize = 256;

/// What a machine counts for where processor time is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// As much as any other.
    Usual,
    /// As little as can be.
    Least,
}

impl Weight {
    /// In the engine's words: what the kernel has unless told otherwise, and the least that it takes.
    pub(super) fn shares(self) -> i64 {
        match self {
            Self::Usual => 1024,
            Self::Least => 2,
        }
    }
}

/// How one machine stands.
#[derive(Debug)]
pub(super) struct Crowd {
    /// Where the kernel counts processes that it refused; kept open, since it is read each second.
    events: Option<File>,
    refused: u64,
    /// While it gives way: when it was refused a process last.
    giving_way: Option<Instant>,
}

impl Crowd {
    /// Of a machine that was not looked at before: an earlier gateway may have had it give way.
    pub(super) fn of(cgroup: &Cgroup) -> Self {
        let events = File::open(cgroup.process_events()).ok();
        let refused = events.as_ref().and_then(refused).unwrap_or_default();
        Self { events, refused, giving_way: cgroup.weighs_least().then(Instant::now) }
    }

    pub(super) fn weight(&self) -> Weight {
        if self.giving_way.is_some() { Weight::Least } else { Weight::Usual }
    }

    /// What it has to weigh from now on, where that is not what the kernel has.
    pub(super) fn look(&mut self, cgroup: &Cgroup) -> Option<Weight> {
        let refused = self.events.as_ref().and_then(refused)?;
        let wanted = self.judge(refused, Instant::now());
        // One that does not give way is not asked what it weighs: there are many.
        self.giving_way?;
        match (wanted, cgroup.weighs_least()) {
            (Weight::Least, true) => None,
            (Weight::Usual, false) => {
                self.giving_way = None;
                None
            }
            (Weight::Least, false) | (Weight::Usual, true) => Some(wanted),
        }
    }

    fn judge(&mut self, refused: u64, now: Instant) -> Weight {
        if refused != std::mem::replace(&mut self.refused, refused) {
            self.giving_way = Some(now);
        }
        match self.giving_way {
            Some(since) if now.duration_since(since) < CALM => Weight::Least,
            Some(_) | None => Weight::Usual,
        }
    }
}

fn refused(events: &File) -> Option<u64> {
    let mut text = [0; FILE];
    let length = events.read_at(&mut text, 0).ok()?;
    value_in(str::from_utf8(text.get(..length)?).ok()?, "max")
}

impl Engine {
    /// Looks at all machines that were read before, and weighs those anew that have to be.
    pub(super) async fn weigh_crowds(self: &Arc<Self>) -> Result<(), ProvisionError> {
        let engine = Arc::clone(self);
        let look = move || engine.runs.look_at_crowds();
        let mut first = Ok(());
        for (space, weight) in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
            // One that cannot be weighed must not keep the others from it.
            match self.weigh(space, weight).await {
                Ok(()) => info!(%space, ?weight, "its share of a busy processor"),
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }

    async fn weigh(&self, space: SpaceId, weight: Weight) -> Result<(), ProvisionError> {
        let update =
            ContainerUpdateBody { cpu_shares: Some(weight.shares()), ..ContainerUpdateBody::default() };
        let name = self.settings.installation.name_of(space);
        let weighed = self.client().await?.update_container(&name, update);
        accept(404, within("weigh the container", CALL, weighed).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_gives_way_from_its_first_refused_process_until_none_was_refused_for_a_while() {
        let start = Instant::now();
        let mut crowd = Crowd { events: None, refused: 5, giving_way: None };
        let at = |seconds| start + Duration::from_secs(seconds);
        let told = [(5, 0), (6, 1), (6, 9), (7, 10), (7, 19), (7, 20)]
            .map(|(refused, seconds)| crowd.judge(refused, at(seconds)));
        assert_eq!(
            told,
            [Weight::Usual, Weight::Least, Weight::Least, Weight::Least, Weight::Least, Weight::Usual]
        );
    }

    #[test]
    fn it_is_told_once_and_again_where_the_kernel_has_it_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let here = || folder.path().to_owned();
        let (cpuacct, cpu, memory, pids) = (here(), here(), here(), here());
        let v1 = Cgroup::V1 { cpuacct, cpu, memory, pids, blkio: None, instance: 1 };
        for cgroup in [v1, Cgroup::V2 { folder: here(), instance: 1 }] {
            let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
            let say = |refused: u32, weight: Weight| {
                write("pids.events", &format!("max {refused}\n"));
                write("cpu.shares", if weight == Weight::Least { "2\n" } else { "1024\n" });
                write("cpu.weight", if weight == Weight::Least { "1\n" } else { "39\n" });
            };
            say(3, Weight::Usual);
            let mut crowd = Crowd::of(&cgroup);
            assert_eq!((crowd.look(&cgroup), crowd.weight()), (None, Weight::Usual));
            say(4, Weight::Usual);
            assert_eq!((crowd.look(&cgroup), crowd.weight()), (Some(Weight::Least), Weight::Least));
            assert_eq!(crowd.look(&cgroup), Some(Weight::Least), "the engine did not take it");
            say(5, Weight::Least);
            assert_eq!(crowd.look(&cgroup), None);
            // Another gateway goes on with it.
            let mut crowd = Crowd::of(&cgroup);
            assert_eq!((crowd.look(&cgroup), crowd.weight()), (None, Weight::Least));
            crowd.giving_way = Instant::now().checked_sub(CALM);
            assert_eq!(crowd.look(&cgroup), Some(Weight::Usual));
            say(5, Weight::Usual);
            assert_eq!((crowd.look(&cgroup), crowd.weight()), (None, Weight::Usual));
        }
    }
}
