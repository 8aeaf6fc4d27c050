//! Approving a newcomer: the request closed, the person, their first Space and their auth key made, all or
//! nothing.

use jiff::Timestamp;
use spaces_protocol::name::{AuthKeyId, Email, SpaceId, SpaceName};
use sqlx::SqliteConnection;

use crate::ceiling::{overdraft, sums};
use crate::requests::{Decision, decide};
use crate::users::ensure_user;
use crate::{Ceiling, Grant, NewAuthKey, Overdraft, SpaceSpec, Store, StoreError, UserId, auth_keys, spaces};

/// A Space to make along the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSpace {
    /// Its name. On approval the preferred one: numbered (`-2`...) if its owner still has a Space of that name.
    pub name: SpaceName,
    /// What it is made of.
    pub spec: SpaceSpec,
    /// What its owner's Spaces may have together, where the platform has not said otherwise for that person.
    pub ceiling: Ceiling,
}

/// A platform admin's yes to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Whose request.
    pub email: Email,
    /// Who says yes.
    pub by: UserId,
    /// The hash of the secret of the auth key to issue.
    pub hash: [u8; 32],
    /// From when on that auth key is no good.
    pub expires_at: Timestamp,
    /// The Space to make.
    pub space: NewSpace,
}

/// What came of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approve {
    /// Done, as a whole.
    Approved {
        /// The person let in.
        user: UserId,
        /// The auth key they log in with.
        auth_key: AuthKeyId,
        /// The Space made; `None`: they own one already.
        space: Option<SpaceId>,
    },
    /// That person has no open request.
    NoRequest,
    /// That person's Spaces would have more together than they may. The request is open still.
    Overdrawn(Overdraft),
}

impl Store {
    /// Approves this person's open request.
    pub async fn approve(&self, approval: Approval, now: Timestamp) -> Result<Approve, StoreError> {
        let Approval { email, by, hash, expires_at, space } = approval;
        let mut change = self.change().await?;
        if decide(&mut change, &email, Decision::Approved, by, now).await?.is_none() {
            change.rollback().await?;
            return Ok(Approve::NoRequest);
        }
        let user = ensure_user(&mut change, &email, now).await?;
        let before = sums(&mut change, user).await?;
        let ceiling = space.ceiling;
        let space = first_space(&mut change, user, space, now).await?;
        if let Some(overdraft) = overdraft(&mut change, user, &before, &ceiling).await? {
            change.rollback().await?;
            return Ok(Approve::Overdrawn(overdraft));
        }
        let key = NewAuthKey { email, grant: Grant::Owner, hash, expires_at, issued_by: Some(by) };
        let auth_key = auth_keys::insert(&mut change, &key, now).await?;
        change.commit().await?;
        Ok(Approve::Approved { user, auth_key, space })
    }
}

/// A Space that is being deleted does not count as theirs, yet holds its name until it is gone.
async fn first_space(
    connection: &mut SqliteConnection,
    owner: UserId,
    space: NewSpace,
    now: Timestamp,
) -> Result<Option<SpaceId>, StoreError> {
    let present: Vec<(String, bool)> =
        sqlx::query_as("SELECT name, desired <> 'deleted' FROM spaces WHERE owner_id = $1")
            .bind(owner.0)
            .fetch_all(&mut *connection)
            .await?;
    if present.iter().any(|(_name, lives)| *lives) {
        return Ok(None);
    }
    let taken = |name: &SpaceName| present.iter().any(|(other, _lives)| other == name.as_str());
    let name = std::iter::once(space.name.clone())
        .chain((2..=u32::MAX).map(|number| space.name.numbered(number)))
        .find(|name| !taken(name))
        .unwrap_or(space.name);
    spaces::insert(connection, owner, &name, &space.spec, now).await.map(Some)
}
