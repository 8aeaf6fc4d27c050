//! What a Space uses and why it is as it is: `space usage`, `space why`.

use std::time::Duration;

use jiff::Timestamp;
use spaces_protocol::failure::Failure;
use spaces_protocol::name::SpaceReference;
use spaces_protocol::reply::{Allowance, Bound, Reply, Usage, Why, WhyReason};
use spaces_protocol::setting::short;
use spaces_provisioner::Reading;
use spaces_store::{Desired, Month, Observed, Space};
use tokio::time::{Instant, sleep};

use super::reach::seen;
use super::run::Caller;
use crate::allowance;
use crate::lifecycle::{Activity, Work, space_state};
use crate::platform::Platform;

/// Processor time is told over this long: two readings make a rate.
const MOMENT: Duration = Duration::from_millis(200);

/// A share of that, in thousandths, from which on a Space is said to be held back.
const HELD_BACK: u64 = 50;

/// A reading, and when it was taken.
pub(super) type Read = (Instant, Option<Reading>);

/// Two readings of one Space, a moment apart; none of one that does not run.
pub(super) struct Now {
    first: Option<Reading>,
    second: Option<Reading>,
    between: Duration,
}

impl Now {
    async fn read(caller: &Caller<'_>, space: &Space) -> Result<Self, Failure> {
        let lifecycle = &caller.platform.lifecycle;
        let reading =
            async || lifecycle.reading(space).await.map_err(|error| error.explain(&space.name.to_string()));
        let first = reading().await?;
        if first.is_none() {
            return Ok(Self { first: None, second: None, between: MOMENT });
        }
        let began = Instant::now();
        sleep(MOMENT).await;
        let second = reading().await?;
        Ok(Self { first, second, between: began.elapsed() })
    }

    /// With a reading that was taken before; without one there are no rates yet.
    pub(super) fn between(before: Option<Read>, now: &Read) -> Self {
        let (now_at, second) = (now.0, now.1.clone());
        let (began, first) = before.unwrap_or_else(|| now.clone());
        Self { first, second, between: now_at - began }
    }

    /// How much a counter in microseconds has grown, in thousandths of the moment.
    fn millis(&self, of: impl Fn(&Reading) -> Option<u64>) -> Option<u64> {
        let (first, second) = (of(self.first.as_ref()?)?, of(self.second.as_ref()?)?);
        let moment = u64::try_from(self.between.as_micros()).unwrap_or(u64::MAX).max(1);
        Some(second.saturating_sub(first).saturating_mul(1000) / moment)
    }

    fn cpu_millis(&self) -> Option<u64> {
        self.millis(|reading| reading.cpu_micros.as_ref().map(|counter| counter.seen))
    }

    fn throttled_millis(&self) -> Option<u64> {
        self.millis(|reading| reading.throttled_micros)
    }

    fn told<T>(&self, of: impl Fn(&Reading) -> Option<T>) -> Option<T> {
        of(self.second.as_ref()?)
    }
}

pub(super) async fn usage(caller: &Caller<'_>, reference: &SpaceReference) -> Result<Reply, Failure> {
    let space = seen(caller, reference).await?;
    let now = Now::read(caller, &space).await?;
    Ok(Reply::SpaceUses(Box::new(told(caller.platform, &space, &now))))
}

/// What people are told of these readings.
pub(super) fn told(platform: &Platform, space: &Space, now: &Now) -> Usage {
    let (at, limits) = (Timestamp::now(), &space.spec.budget);
    let hard = |used: Option<u64>, limit: u32| Allowance {
        used: used.or(now.second.is_none().then_some(0)),
        limit: Some(limit.into()),
        bound: Bound::Hard,
    };
    Usage {
        id: space.id,
        name: space.name.clone(),
        state: space_state(space.desired, space.observed),
        at,
        cpu: hard(now.cpu_millis(), limits.cpu_millis),
        memory: hard(now.told(|reading| reading.memory_bytes).map(|bytes| bytes >> 20), limits.memory_mib),
        pids: hard(now.told(|reading| reading.pids), limits.pids),
        disk: allowance::disk(&platform.lifecycle, space),
        net: allowance::net(&platform.lifecycle, space, &Month::of(at)),
        llm_tokens: allowance::llm_tokens(space),
        net_rate: limits.egress_mbit.map(u32::from),
        cpu_micros: space.usage.cpu_micros,
        throttled_micros: now.told(|reading| reading.throttled_micros),
        oom_kills: now.told(|reading| reading.oom_kills),
        io_bytes: now.told(|reading| reading.io_bytes),
        sent_bytes: now.told(|reading| reading.egress_bytes.as_ref().map(|counter| counter.seen)),
        received_bytes: now.told(|reading| reading.ingress_bytes),
    }
}

pub(super) async fn why(caller: &Caller<'_>, reference: &SpaceReference) -> Result<Reply, Failure> {
    let space = seen(caller, reference).await?;
    let now = Now::read(caller, &space).await?;
    let idle_stop = caller.platform.lifecycle.activity(&space).is_some();
    let mut reasons = vec![state_reason(&space, reference, idle_stop)];
    reasons.extend(kept_up(caller, &space));
    reasons.extend(doing(&now));
    reasons.extend(held_back(&space, &now));
    reasons.extend(caller.platform.lifecycle.gives_way(space.id).then(gives_way));
    let said = allowance::warnings(&caller.platform.lifecycle, &space, Timestamp::now());
    reasons.extend(said.into_iter().map(|warning| reason(warning.code, warning.text)));
    let state = space_state(space.desired, space.observed);
    Ok(Reply::SpaceWhy(Why { id: space.id, name: space.name.clone(), state, reasons }))
}

fn reason(code: &'static str, text: impl Into<String>) -> WhyReason {
    WhyReason { code, text: text.into() }
}

fn state_reason(space: &Space, reference: &SpaceReference, idle_stop: bool) -> WhyReason {
    match (space.desired, space.observed) {
        (Desired::Deleted, _) => reason("deleted", "it was deleted, and is being removed"),
        (_, Observed::Missing) => reason(
            "missing",
            format!("it was removed from the engine; `space up --space {reference}` makes it anew"),
        ),
        (Desired::Running, Observed::Running) if idle_stop => {
            reason("wanted", "it is wanted up until somebody stops it, or it does no work")
        }
        (Desired::Running, Observed::Running) => reason("wanted", "it is wanted up until somebody stops it"),
        (Desired::Running, Observed::Absent) => reason("starting", "it is being made"),
        (Desired::Running, Observed::Failed) => {
            reason("failed", format!("its last start failed; `space up --space {reference}` tries again"))
        }
        (Desired::Running, Observed::Stopped) => reason(
            "stopped-outside",
            "its machine ended and nobody asked for that: it was stopped on the host, or had no memory left; entering it \
             starts it",
        ),
        (Desired::Asleep(_), Observed::Running) => reason("stopping", "it did no work, and is being stopped"),
        (Desired::Asleep(since), Observed::Absent | Observed::Failed | Observed::Stopped) => {
            reason("asleep", format!("it did no work, and was stopped at {since:.0}; entering it starts it"))
        }
        (Desired::Stopped, Observed::Running) => reason("stopping", "somebody stopped it, and it is ending"),
        (Desired::Stopped, Observed::Absent | Observed::Failed | Observed::Stopped) => {
            reason("stopped", format!("somebody stopped it; `space up --space {reference}` starts it"))
        }
    }
}

/// What keeps it from being stopped for want of work, where that may happen to it.
fn kept_up(caller: &Caller<'_>, space: &Space) -> Option<WhyReason> {
    let Activity { work, ago, limit } = caller.platform.lifecycle.activity(space)?;
    if let Some(hold) = space.hold.as_ref().filter(|hold| hold.until > Timestamp::now()) {
        let what = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
        return Some(reason("hold", format!("a hold keeps it up until {:.0}{what}", hold.until)));
    }
    let what = match work {
        Work::Started => "it was started".to_owned(),
        Work::Traffic => "a connection carried something".to_owned(),
        Work::Processor(millis) => format!("its programs used {millis} thousandths of a core"),
        Work::Bytes(bytes) => {
            format!("its programs moved {} kB a second to and from disks and the network", bytes / 1000)
        }
        Work::Job(session, program) => format!("session {session} ran `{program}`"),
        Work::Held => "a hold kept it up".to_owned(),
        Work::Unanswered => "its guest did not answer what runs in sessions".to_owned(),
        Work::Untold => "its guest, older than the platform, did not tell what ran in sessions".to_owned(),
    };
    let text = format!("without work for {} it is stopped; {} ago {what}", short(limit), short(ago));
    Some(reason("idle-stop", text))
}

fn doing(now: &Now) -> Option<WhyReason> {
    let pids = now.told(|reading| reading.pids)?;
    // The guest is one of them.
    let programs = match pids.saturating_sub(1) {
        0 => "no program of yours runs".to_owned(),
        1 => "1 process or thread of yours runs".to_owned(),
        several => format!("{several} processes and threads of yours run"),
    };
    let cpu = now.cpu_millis().unwrap_or_default();
    Some(reason("doing", format!("{programs}, with {cpu} thousandths of a core")))
}

fn gives_way() -> WhyReason {
    reason(
        "gives-way",
        "it was refused more processes, and comes after all others until it has not tried for a while",
    )
}

fn held_back(space: &Space, now: &Now) -> Vec<WhyReason> {
    let mut reasons = Vec::new();
    if now.throttled_millis().is_some_and(|share| share >= HELD_BACK) {
        let limit = space.spec.budget.cpu_millis;
        reasons.push(reason(
            "cpu-limit",
            format!("its processor limit of {limit} thousandths of a core holds it back"),
        ));
    }
    if let Some(kills) = now.told(|reading| reading.oom_kills).filter(|kills| *kills > 0) {
        let text = format!("its memory limit has ended processes since it was started: {kills}");
        reasons.push(reason("memory-limit", text));
    }
    if now.told(|reading| reading.pids).is_some_and(|pids| pids >= u64::from(space.spec.budget.pids)) {
        let limit = space.spec.budget.pids;
        reasons
            .push(reason("pids-limit", format!("it has as many processes and threads as it may: {limit}")));
    }
    reasons
}
