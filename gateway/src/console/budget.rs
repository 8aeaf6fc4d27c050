//! Budgets: `admin set-budget`.

use spaces_protocol::command::SetBudgetArguments;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::reply::{Budget, Reply};
use spaces_store::BudgetChange;

use super::admin::any_space;
use super::run::Caller;
use crate::identity::PlatformAdmin;

/// Most of the engine's words that an admin is shown.
const WORDS: usize = 200;

pub(super) async fn set(
    caller: &Caller<'_>,
    _admin: PlatformAdmin<'_>,
    arguments: SetBudgetArguments,
) -> Result<Reply, Failure> {
    let SetBudgetArguments { space: reference, cpu, memory, pids } = arguments;
    let budget = BudgetChange { cpu_millis: cpu, memory_mib: memory, pids };
    if budget == BudgetChange::default() {
        return Err(
            Failure::new(Code::Usage, "no limit is named").hint("`--cpu`, `--memory` or `--pids` sets one")
        );
    }
    let id = any_space(caller, &reference).await?;
    match caller.platform.lifecycle.set_budget(id, budget).await {
        Ok(space) => Ok(Reply::BudgetSet(Budget {
            id,
            name: space.name,
            cpu: space.spec.cpu_millis,
            memory: space.spec.memory_mib,
            pids: space.spec.pids,
        })),
        Err(error) => Err(match error.refusal() {
            Some(words) => Failure::new(
                Code::Refused,
                format!("the container engine does not take that: {}", tail(words)),
            )
            .hint("the limits are as they were; less memory than is in use needs a stopped space"),
            None => error.explain(&reference.to_string()),
        }),
    }
}

/// The end of what the engine says, where the cause is.
fn tail(words: &str) -> String {
    let excess = words.chars().count().saturating_sub(WORDS);
    let cut = if excess > 0 { "…" } else { "" };
    cut.chars().chain(words.chars().skip(excess)).collect()
}
