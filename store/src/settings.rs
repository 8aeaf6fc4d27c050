//! What a Space's admin sets.

use spaces_protocol::name::SpaceId;
use spaces_protocol::setting::Forwarding;

use crate::{Store, StoreError};

impl Store {
    /// Writes down whether people may forward into and out of a Space. `None`: there is no such Space.
    pub async fn set_forwarding(
        &self,
        space: SpaceId,
        forwarding: Forwarding,
    ) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let set = sqlx::query("UPDATE spaces SET forwarding = $2 WHERE id = $1")
            .bind(space.number())
            .bind(forwarding.as_str())
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        Ok((set > 0).then_some(()))
    }
}
