//! When a Space may be stopped for want of work.

use std::time::Duration;

use jiff::Timestamp;
use spaces_protocol::name::SpaceId;
use spaces_protocol::setting::IdleStop;

use crate::column::{instant, long};
use crate::{Desired, Store, StoreError};

/// Keeps a Space up that does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// No longer than that.
    pub until: Timestamp,
    /// What for, in the words of whoever asked.
    pub reason: String,
}

impl Store {
    /// Keeps a Space up until then; a hold that lasts longer stays. Gives the one that holds. `None`: there is no such
    /// Space, or nobody wants it up.
    pub async fn hold(&self, space: SpaceId, hold: &Hold) -> Result<Option<Hold>, StoreError> {
        let mut change = self.change().await?;
        sqlx::query(
            "UPDATE spaces SET hold_until = $2, hold_reason = $3 \
             WHERE id = $1 AND desired = $4 AND COALESCE(hold_until, 0) <= $2",
        )
        .bind(space.number())
        .bind(hold.until.as_millisecond())
        .bind(&hold.reason)
        .bind(Desired::Running.word())
        .execute(&mut *change)
        .await?;
        let standing: Option<(Option<i64>, Option<String>)> =
            sqlx::query_as("SELECT hold_until, hold_reason FROM spaces WHERE id = $1 AND desired = $2")
                .bind(space.number())
                .bind(Desired::Running.word())
                .fetch_optional(&mut *change)
                .await?;
        change.commit().await?;
        standing.map_or(Ok(None), |(until, reason)| read_hold(until, reason))
    }

    /// Nothing keeps a Space up any more.
    pub async fn end_hold(&self, space: SpaceId) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        sqlx::query("UPDATE spaces SET hold_until = NULL, hold_reason = NULL WHERE id = $1")
            .bind(space.number())
            .execute(&mut *change)
            .await?;
        Ok(change.commit().await?)
    }
}

pub(crate) fn read_hold(until: Option<i64>, reason: Option<String>) -> Result<Option<Hold>, StoreError> {
    let until = until.map(|until| instant("spaces.hold_until", until)).transpose()?;
    Ok(until.map(|until| Hold { until, reason: reason.unwrap_or_default() }))
}

/// As the database keeps it, in seconds.
pub(crate) fn idle_stop_column(setting: IdleStop) -> Option<i64> {
    match setting {
        IdleStop::Default => None,
        IdleStop::Off => Some(0),
        IdleStop::After(time) => Some(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)),
    }
}

pub(crate) fn read_idle_stop(seconds: Option<i64>) -> Result<IdleStop, StoreError> {
    Ok(match seconds {
        None => IdleStop::Default,
        Some(0) => IdleStop::Off,
        Some(seconds) => IdleStop::After(Duration::from_secs(long("spaces.idle_stop", seconds)?)),
    })
}
