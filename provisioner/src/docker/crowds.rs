//! Machines that have as many processes as they may, and try for more: a fork bomb, mostly. What thousands of processes
//! cost that are held back and let go again is felt next door, so such a machine weighs next to nothing against others
//! where processor time is short, until it has not tried for a while.
//!
//! ```text
//! processes refused (kernel's counter) -> least weight -> hardly any refused for a while -> usual weight
//! ```
//!
//! Whether a machine weighs the least is read from the kernel each time, so that whatever becomes of a call to the engine,
//! and whoever called it, the next look puts it right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::models::ContainerUpdateBody;
use futures_util::future::join_all;
use spaces_protocol::name::SpaceId;
use tracing::info;

use super::Engine;
use super::deadline::within;
use crate::ProvisionError;
use crate::error::accept;
use crate::meter::Counters;

/// So many processes refused between two looks are no accident.
const MANY: u64 = 20;

/// For how long no more than that must have been refused.
const CALM: Duration = Duration::from_secs(10);

/// For one machine to be weighed: until then nobody is looked at.
const WEIGH: Duration = Duration::from_secs(10);

/// What a machine counts for where processor time is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// As much as any other.
    Usual,
    /// As little as can be.
    Least,
}

impl Weight {
    /// In the engine's words.
    pub(super) fn shares(self) -> i64 {
        match self {
            Self::Usual => 1024,
            Self::Least => 2,
        }
    }
}

/// What one look at a machine tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    refused: u64,
    /// What the kernel has.
    weight: Weight,
}

impl Look {
    /// `None`: the machine has ended.
    fn at(counters: &Counters) -> Option<Self> {
        let weight = if counters.weighs_least()? { Weight::Least } else { Weight::Usual };
        Some(Self { refused: counters.refused()?, weight })
    }
}

/// How one machine stands.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// At the look before; none before the first.
    refused: Option<u64>,
    /// While it gives way: when it was refused many last.
    giving_way: Option<Instant>,
}

impl Crowd {
    /// What it is to weigh.
    pub(super) fn weight(&self) -> Weight {
        if self.giving_way.is_some() { Weight::Least } else { Weight::Usual }
    }

    /// What it has to weigh from now on, where that is not what the kernel has.
    pub(super) fn judge(&mut self, look: Look, now: Instant) -> Option<Weight> {
        let before = self.refused.replace(look.refused).unwrap_or(look.refused);
        if look.refused.saturating_sub(before) >= MANY {
            self.giving_way = Some(now);
        }
        self.giving_way = self.giving_way.filter(|since| now.duration_since(*since) < CALM);
        (self.weight() != look.weight).then_some(self.weight())
    }
}

impl Engine {
    /// Looks at all machines that were read before, and weighs those anew that have to be.
    pub(super) async fn weigh_crowds(self: &Arc<Self>) -> Result<(), ProvisionError> {
        let engine = Arc::clone(self);
        let look = move || {
            let runs = engine.runs.all();
            runs.into_iter().filter_map(|(space, run)| Some((space, Look::at(&run.counters)?))).collect()
        };
        let looks: Vec<_> = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        let anew = self.runs.judge(&looks);
        if anew.is_empty() {
            return Ok(());
        }
        let client = self.client().await?;
        join_all(anew.into_iter().map(|(space, weight)| self.weigh(client, space, weight))).await;
        Ok(())
    }

    async fn weigh(&self, client: &bollard::Docker, space: SpaceId, weight: Weight) {
        let update =
            ContainerUpdateBody { cpu_shares: Some(weight.shares()), ..ContainerUpdateBody::default() };
        let name = self.settings.installation.name_of(space);
        let weighed = client.update_container(&name, update);
        match accept(404, within("weigh the container", WEIGH, weighed).await) {
            Ok(()) => info!(%space, ?weight, "its share of a busy processor"),
            // On its way out, mostly. The next look tries again.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                info!(%space, ?weight, error, "its share of a busy processor cannot be set now");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_gives_way_from_many_refused_processes_on_until_few_were_refused_for_a_while() {
        let start = Instant::now();
        let mut crowd = Crowd::default();
        // Refused in all, and the second of the look: at first whatever was before, then few, then many.
        let looks = [(500, 0), (510, 1), (600, 2), (610, 8), (700, 11), (700, 20), (700, 21)];
        let told = looks.map(|(refused, second)| {
            crowd.judge(Look { refused, weight: Weight::Usual }, start + Duration::from_secs(second));
            crowd.weight()
        });
        let (usual, least) = (Weight::Usual, Weight::Least);
        assert_eq!(told, [usual, usual, least, least, least, least, usual]);
    }

    #[test]
    fn what_the_kernel_has_otherwise_is_put_right() {
        let now = Instant::now();
        let mut crowd = Crowd::default();
        let mut told = |refused, weight| crowd.judge(Look { refused, weight }, now);
        assert_eq!(told(0, Weight::Usual), None);
        assert_eq!(told(0, Weight::Least), Some(Weight::Usual), "an earlier run's, or an earlier gateway's");
        assert_eq!(told(MANY, Weight::Usual), Some(Weight::Least));
        assert_eq!(told(MANY, Weight::Usual), Some(Weight::Least), "the engine did not take it");
        assert_eq!(told(MANY, Weight::Least), None);
    }
}
