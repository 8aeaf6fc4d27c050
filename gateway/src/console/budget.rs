//! Budgets: `admin set-budget`, `admin set-ceiling`.

use spaces_protocol::command::{SetBudgetArguments, SetCeilingArguments};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::Email;
use spaces_protocol::reply::{Budget, Ceiling, Reply, Share};
use spaces_store::{BudgetChange, CeilingChange, Overdraft, Space};

use super::reach::any;
use super::run::Caller;
use crate::entrance::store_failed;
use crate::identity::PlatformAdmin;
use crate::lifecycle::LifecycleError;

pub(super) async fn set(
    caller: &Caller<'_>,
    admin: PlatformAdmin<'_>,
    arguments: SetBudgetArguments,
) -> Result<Reply, Failure> {
    let SetBudgetArguments { space: reference, cpu, memory, pids, disk, net, net_rate, llm_tokens } =
        arguments;
    let budget = BudgetChange {
        cpu_millis: cpu,
        memory_mib: memory,
        pids,
        disk_mb: disk,
        egress_mb: net,
        egress_mbit: net_rate,
        llm_tokens,
    };
    if budget == BudgetChange::default() {
        return Err(Failure::new(Code::Usage, "no limit is named")
            .hint("`--cpu`, `--memory`, `--disk` and others set one; `help admin set-budget` has them"));
    }
    let space = any(caller, &reference, admin).await?;
    let ceiling = caller.platform.ceiling();
    match caller.platform.lifecycle.set_budget(space.id, budget, ceiling).await {
        Ok(space) => Ok(Reply::BudgetSet(shown(&space))),
        Err(LifecycleError::Overdrawn(over)) => Err(overdrawn(&over, &space.owner_email)),
        Err(error) => {
            let failure = error.explain_to_admin(&reference.to_string());
            Err(match error.refusal() {
                Some(_) => failure
                    .hint("the limits are as they were; less memory than is in use needs a stopped space"),
                None => failure,
            })
        }
    }
}

fn shown(space: &Space) -> Budget {
    let budget = &space.spec.budget;
    Budget {
        id: space.id,
        name: space.name.clone(),
        cpu: budget.cpu_millis,
        memory: budget.memory_mib,
        pids: budget.pids,
        disk: budget.disk_mb.map(u32::from),
        net: budget.egress_mb.map(u32::from),
        net_rate: budget.egress_mbit.map(u32::from),
        llm_tokens: budget.llm_tokens.map(u64::from),
    }
}

pub(super) async fn set_ceiling(
    caller: &Caller<'_>,
    _admin: PlatformAdmin<'_>,
    arguments: SetCeilingArguments,
) -> Result<Reply, Failure> {
    let SetCeilingArguments { email, spaces, cpu, memory, disk, net } = arguments;
    let change = CeilingChange { spaces, cpu_millis: cpu, memory_mib: memory, disk_mb: disk, egress_mb: net };
    let set = caller.platform.store.set_ceiling(&email, change, &caller.platform.ceiling()).await;
    let Some(shares) = set.map_err(|error| store_failed(&error))? else {
        return Err(Failure::new(Code::NotFound, format!("no user {email}")).hint("`admin users` lists them"));
    };
    let share = |share: spaces_store::Share| Share {
        resource: share.resource.to_string(),
        has: share.sum,
        ceiling: share.ceiling.map(u32::from),
    };
    Ok(Reply::CeilingSet(Ceiling { email, shares: shares.into_iter().map(share).collect() }))
}

/// A person's Spaces would have had too much together.
pub(super) fn overdrawn(over: &Overdraft, owner: &Email) -> Failure {
    let sum = over.sum.map_or_else(|| "no limit".to_owned(), |sum| sum.to_string());
    let Overdraft { resource, ceiling, .. } = over;
    Failure::new(
        Code::Refused,
        format!("the spaces of {owner} may have {ceiling} of {resource} together, and would have {sum}"),
    )
    .hint(format!("`admin set-ceiling {owner} --{resource} ...` raises it"))
}
