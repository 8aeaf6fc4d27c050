//! What a Space has used of its budgets, as people see it.

use jiff::Timestamp;
use spaces_protocol::reply::{Allowance, Bound};
use spaces_provisioner::Binding;
use spaces_store::{Month, Space};

use crate::lifecycle::{Lifecycle, MB};
use crate::warnings::{self, Warning};

pub(crate) fn disk(lifecycle: &Lifecycle, space: &Space) -> Allowance {
    Allowance {
        used: space.usage.disk_bytes.map(|bytes| bytes / MB),
        limit: space.spec.budget.disk_mb.map(|limit| u64::from(limit.get())),
        bound: bound(lifecycle.disk_binding(space.id)),
    }
}

pub(crate) fn net(lifecycle: &Lifecycle, space: &Space, month: &Month) -> Allowance {
    Allowance {
        used: Some(space.usage.egress_in(month) / MB),
        limit: space.spec.budget.egress_mb.map(|limit| u64::from(limit.get())),
        bound: bound(lifecycle.egress_binding()),
    }
}

/// What somebody should know of this Space's budgets.
pub(crate) fn warnings(lifecycle: &Lifecycle, space: &Space, now: Timestamp) -> Vec<Warning> {
    warnings::of(&net(lifecycle, space, &Month::of(now)), &disk(lifecycle, space), now)
}

fn bound(binding: Binding) -> Bound {
    match binding {
        Binding::Hard => Bound::Hard,
        Binding::Soft => Bound::Soft,
    }
}

pub(crate) fn llm_tokens(space: &Space) -> Allowance {
    Allowance {
        used: Some(space.usage.llm_tokens),
        limit: space.spec.budget.llm_tokens.map(u64::from),
        bound: Bound::Hard,
    }
}
