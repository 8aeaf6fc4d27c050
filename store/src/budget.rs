//! What a Space may use. It is set before the engine is told, and marked until it was.

use spaces_protocol::name::SpaceId;

use crate::{Limits, SpaceSpec, Store, StoreError};

/// The limits to set; the others stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetChange {
    /// Processor time, in thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Memory, in MiB.
    pub memory_mib: Option<u32>,
    /// The most processes at once.
    pub pids: Option<u32>,
}

impl Store {
    /// Writes down what a Space may use from now on; the engine is to be told. `None`: there is no such Space, or it is
    /// to be deleted.
    pub async fn set_budget(&self, space: SpaceId, budget: BudgetChange) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let set = sqlx::query(
            "UPDATE spaces SET cpu_millis = COALESCE($2, cpu_millis), memory_mib = COALESCE($3, memory_mib), \
             pids = COALESCE($4, pids), limits = $5 WHERE id = $1 AND desired <> 'deleted'",
        )
        .bind(space.number())
        .bind(budget.cpu_millis.map(i64::from))
        .bind(budget.memory_mib.map(i64::from))
        .bind(budget.pids.map(i64::from))
        .bind(Limits::Due.as_str())
        .execute(&mut *change)
        .await?
        .rows_affected();
        change.commit().await?;
        Ok((set > 0).then_some(()))
    }

    /// The engine was told of these limits. If others were set meanwhile, it is to be told of those still.
    pub async fn limits_bind(&self, space: SpaceId, told: &SpaceSpec) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        sqlx::query(
            "UPDATE spaces SET limits = $2 \
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
}
