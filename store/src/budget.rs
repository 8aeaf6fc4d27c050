//! What a Space may use. It is set before the engine is told, and marked until it was.

use std::num::{NonZeroU32, NonZeroU64};

use spaces_protocol::name::SpaceId;
use sqlx::SqliteConnection;

use crate::ceiling::{Ceiling, Overdraft, overdraft, sums};
use crate::{Limits, Store, StoreError, UserId};

/// What a Space may use. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Processor time, in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory, swap included, in MiB.
    pub memory_mib: u32,
    /// The most processes at once.
    pub pids: u32,
    /// Disk, in MB.
    pub disk_mb: Option<NonZeroU32>,
    /// What may go out in a month, in MB.
    pub egress_mb: Option<NonZeroU32>,
    /// How fast it may go out, in Mbit a second.
    pub egress_mbit: Option<NonZeroU32>,
    /// Tokens of language models.
    pub llm_tokens: Option<NonZeroU64>,
}

/// The limits to set; the others stay. 0 is no limit, where there may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetChange {
    /// Processor time, in thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Memory, in MiB.
    pub memory_mib: Option<u32>,
    /// The most processes at once.
    pub pids: Option<u32>,
    /// Disk, in MB.
    pub disk_mb: Option<u32>,
    /// What may go out in a month, in MB.
    pub egress_mb: Option<u32>,
    /// How fast it may go out, in Mbit a second.
    pub egress_mbit: Option<u32>,
    /// Tokens of language models.
    pub llm_tokens: Option<u64>,
}

/// What came of setting a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBudget {
    /// It is written; the engine is to be told.
    Set,
    /// There is no such Space, or it is to be deleted.
    Absent,
    /// Its owner's Spaces would have more together than they may. Nothing has changed.
    Overdrawn(Overdraft),
}

impl Store {
    /// Writes down what a Space may use from now on, if its owner's Spaces may have that together.
    pub async fn set_budget(
        &self,
        space: SpaceId,
        budget: BudgetChange,
        ceiling: &Ceiling,
    ) -> Result<SetBudget, StoreError> {
        let mut change = self.change().await?;
        let owner: Option<i64> =
            sqlx::query_scalar("SELECT owner_id FROM spaces WHERE id = $1 AND desired <> 'deleted'")
                .bind(space.number())
                .fetch_optional(&mut *change)
                .await?;
        let Some(owner) = owner.map(UserId) else { return Ok(SetBudget::Absent) };
        let before = sums(&mut change, owner).await?;
        write(&mut change, space, budget).await?;
        // Less than before is fine, also for those who have more than a ceiling that was lowered.
        if let Some(overdraft) = overdraft(&mut change, owner, &before, ceiling).await? {
            change.rollback().await?;
            return Ok(SetBudget::Overdrawn(overdraft));
        }
        change.commit().await?;
        Ok(SetBudget::Set)
    }

    /// The engine was told of these limits. If others were set meanwhile, it is to be told of those still.
    pub async fn limits_bind(&self, space: SpaceId, told: &Budget) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        sqlx::query(
            "UPDATE spaces SET limits = $2, held_cpu_millis = NULL, held_memory_mib = NULL, held_pids = NULL, \
                held_disk_mb = NULL, held_egress_mb = NULL, held_egress_mbit = NULL, held_llm_tokens = NULL \
             WHERE id = $1 AND cpu_millis = $3 AND memory_mib = $4 AND pids = $5",
        )
        .bind(space.number())
        .bind(Limits::Bind.as_str())
        .bind(i64::from(told.cpu_millis))
        .bind(i64::from(told.memory_mib))
        .bind(i64::from(told.pids))
        .execute(&mut *change)
        .await?;
        Ok(change.commit().await?)
    }

    /// The engine refused what is due: the limits that held last are set again, and are due, since some of the others
    /// may have taken effect. `None`: nothing is known to have held.
    pub async fn take_back_limits(&self, space: SpaceId) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let back = sqlx::query(
            "UPDATE spaces SET cpu_millis = held_cpu_millis, memory_mib = held_memory_mib, pids = held_pids, \
                disk_mb = COALESCE(held_disk_mb, disk_mb), egress_mb = COALESCE(held_egress_mb, egress_mb), \
                egress_mbit = COALESCE(held_egress_mbit, egress_mbit), \
                llm_tokens = COALESCE(held_llm_tokens, llm_tokens) \
             WHERE id = $1 AND held_cpu_millis IS NOT NULL",
        )
        .bind(space.number())
        .execute(&mut *change)
        .await?
        .rows_affected();
        change.commit().await?;
        Ok((back > 0).then_some(()))
    }
}

async fn write(
    connection: &mut SqliteConnection,
    space: SpaceId,
    budget: BudgetChange,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE spaces SET \
            held_cpu_millis = CASE limits WHEN 'bind' THEN cpu_millis ELSE held_cpu_millis END, \
            held_memory_mib = CASE limits WHEN 'bind' THEN memory_mib ELSE held_memory_mib END, \
            held_pids = CASE limits WHEN 'bind' THEN pids ELSE held_pids END, \
            held_disk_mb = CASE limits WHEN 'bind' THEN disk_mb ELSE held_disk_mb END, \
            held_egress_mb = CASE limits WHEN 'bind' THEN egress_mb ELSE held_egress_mb END, \
            held_egress_mbit = CASE limits WHEN 'bind' THEN egress_mbit ELSE held_egress_mbit END, \
            held_llm_tokens = CASE limits WHEN 'bind' THEN llm_tokens ELSE held_llm_tokens END, \
            cpu_millis = COALESCE($2, cpu_millis), memory_mib = COALESCE($3, memory_mib), \
            pids = COALESCE($4, pids), disk_mb = COALESCE($5, disk_mb), egress_mb = COALESCE($6, egress_mb), \
            egress_mbit = COALESCE($7, egress_mbit), llm_tokens = COALESCE($8, llm_tokens), limits = 'due' \
         WHERE id = $1",
    )
    .bind(space.number())
    .bind(budget.cpu_millis)
    .bind(budget.memory_mib)
    .bind(budget.pids)
    .bind(budget.disk_mb)
    .bind(budget.egress_mb)
    .bind(budget.egress_mbit)
    .bind(budget.llm_tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX)))
    .execute(connection)
    .await?;
    Ok(())
}
