//! Making Spaces, what they should be and what was seen of them, and forgetting them.

use std::num::NonZeroU32;

use jiff::Timestamp;
use spaces_protocol::name::{Email, SpaceId, SpaceName};
use sqlx::SqliteConnection;

use crate::ceiling::{overdraft, sums};
use crate::users::ensure_user;
use crate::{Desired, NewSpace, Observed, Overdraft, SpaceSpec, Store, StoreError, UserId};

/// What came of making a Space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateSpace {
    /// It should run; nothing of it is there yet.
    Created(SpaceId),
    /// That person owns a Space of that name.
    NameTaken,
    /// That person's Spaces would have more together than they may.
    Overdrawn(Overdraft),
}

impl Store {
    /// Makes a Space of exactly this name, and its owner if absent.
    pub async fn create_space(
        &self,
        owner: &Email,
        space: &NewSpace,
        now: Timestamp,
    ) -> Result<CreateSpace, StoreError> {
        let NewSpace { name, spec, ceiling } = space;
        let mut change = self.change().await?;
        let owner = ensure_user(&mut change, owner, now).await?;
        let taken: Option<i64> =
            sqlx::query_scalar("SELECT id FROM spaces WHERE owner_id = $1 AND name = $2")
                .bind(owner.0)
                .bind(name.as_str())
                .fetch_optional(&mut *change)
                .await?;
        if taken.is_some() {
            change.rollback().await?;
            return Ok(CreateSpace::NameTaken);
        }
        let before = sums(&mut change, owner).await?;
        let id = insert(&mut change, owner, name, spec, now).await?;
        if let Some(overdraft) = overdraft(&mut change, owner, &before, ceiling).await? {
            change.rollback().await?;
            return Ok(CreateSpace::Overdrawn(overdraft));
        }
        change.commit().await?;
        Ok(CreateSpace::Created(id))
    }

    /// Writes down what a Space should be. [`Desired::Deleted`] is final: half of it may be gone already.
    /// `None`: there is no such Space, or it is to be deleted.
    pub async fn set_desired(&self, space: SpaceId, desired: Desired) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let set = sqlx::query(
            "UPDATE spaces SET desired = $2, asleep_at = $3 WHERE id = $1 AND (desired <> 'deleted' OR $2 = 'deleted')",
        )
        .bind(space.number())
        .bind(desired.word())
        .bind(desired.asleep_at())
        .execute(&mut *change)
        .await?
        .rows_affected();
        change.commit().await?;
        Ok((set > 0).then_some(()))
    }

    /// Writes down what was seen of a Space. `None`: there is no such Space.
    pub async fn set_observed(&self, space: SpaceId, observed: Observed) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let set = sqlx::query("UPDATE spaces SET observed = $2 WHERE id = $1")
            .bind(space.number())
            .bind(observed.as_str())
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        Ok((set > 0).then_some(()))
    }

    /// Ends a Space of which nothing is left: its row, its members, and the open auth keys that let into it.
    /// Doing so twice is doing it once.
    pub async fn forget_space(&self, space: SpaceId, now: Timestamp) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        sqlx::query(
            "UPDATE auth_keys SET revoked_at = $2 WHERE space_id = $1 AND used_at IS NULL AND revoked_at IS NULL",
        )
        .bind(space.number())
        .bind(now.as_millisecond())
        .execute(&mut *change)
        .await?;
        sqlx::query("DELETE FROM usage WHERE space_id = $1")
            .bind(space.number())
            .execute(&mut *change)
            .await?;
        sqlx::query("DELETE FROM members WHERE space_id = $1")
            .bind(space.number())
            .execute(&mut *change)
            .await?;
        sqlx::query("DELETE FROM spaces WHERE id = $1").bind(space.number()).execute(&mut *change).await?;
        Ok(change.commit().await?)
    }
}

/// Writes a Space within a change that may do more.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    owner: UserId,
    name: &SpaceName,
    spec: &SpaceSpec,
    now: Timestamp,
) -> Result<SpaceId, StoreError> {
    let budget = spec.budget;
    let id = sqlx::query_scalar(
        "INSERT INTO spaces (owner_id, name, desired, observed, image, cpu_millis, memory_mib, pids, \
            disk_mb, egress_mb, egress_mbit, llm_tokens, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
    )
    .bind(owner.0)
    .bind(name.as_str())
    .bind(Desired::Running.word())
    .bind(Observed::Absent.as_str())
    .bind(spec.image.as_str())
    .bind(budget.cpu_millis)
    .bind(budget.memory_mib)
    .bind(budget.pids)
    .bind(budget.disk_mb.map_or(0, NonZeroU32::get))
    .bind(budget.egress_mb.map_or(0, NonZeroU32::get))
    .bind(budget.egress_mbit.map_or(0, NonZeroU32::get))
    .bind(budget.llm_tokens.map_or(0, |tokens| i64::try_from(tokens.get()).unwrap_or(i64::MAX)))
    .bind(now.as_millisecond())
    .fetch_one(connection)
    .await?;
    Ok(SpaceId::new(id))
}
