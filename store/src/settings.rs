//! What a Space's admin sets.

use spaces_protocol::name::SpaceId;
use spaces_protocol::setting::{Forwarding, IdleStop};

use crate::column::parsed;
use crate::idle::{idle_stop_column, read_idle_stop};
use crate::{Store, StoreError};

/// What is set for a Space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether people may forward into and out of it.
    pub forwarding: Forwarding,
    /// After how long without work it is stopped.
    pub idle_stop: IdleStop,
}

/// What is to be set anew; `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SettingsChange {
    /// In the place of [`Settings::forwarding`].
    pub forwarding: Option<Forwarding>,
    /// In the place of [`Settings::idle_stop`].
    pub idle_stop: Option<IdleStop>,
}

impl Store {
    /// Writes down what is set for a Space from now on. `None`: there is no such Space.
    pub async fn set_settings(
        &self,
        space: SpaceId,
        settings: SettingsChange,
    ) -> Result<Option<Settings>, StoreError> {
        let SettingsChange { forwarding, idle_stop } = settings;
        let mut change = self.change().await?;
        let set: Option<(String, Option<i64>)> = sqlx::query_as(
            "UPDATE spaces SET forwarding = COALESCE($2, forwarding), \
                idle_stop = CASE WHEN $3 THEN $4 ELSE idle_stop END \
             WHERE id = $1 RETURNING forwarding, idle_stop",
        )
        .bind(space.number())
        .bind(forwarding.map(Forwarding::as_str))
        .bind(idle_stop.is_some())
        .bind(idle_stop.and_then(idle_stop_column))
        .fetch_optional(&mut *change)
        .await?;
        change.commit().await?;
        set.map(|(forwarding, idle_stop)| {
            Ok(Settings {
                forwarding: parsed("spaces.forwarding", &forwarding)?,
                idle_stop: read_idle_stop(idle_stop)?,
            })
        })
        .transpose()
    }
}
