//! Logging in for the first time: an auth key is spent and a device key registered, both or neither.

use jiff::Timestamp;
use spaces_protocol::name::{Email, SpaceId};
use sqlx::SqliteConnection;

use crate::users::{ensure_user, load_user};
use crate::{AddKey, Grant, NewDeviceKey, Store, StoreError, User, UserId, auth_keys, keys};

/// What came of redeeming. In every case but the first the auth key stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeem {
    /// This person can now log in with that device key.
    Redeemed(User),
    /// No open auth key of that e-mail has that secret.
    Refused,
    /// The device key is registered to another person.
    KeyTaken,
    /// The person has as many device keys as one may have.
    TooManyKeys,
}

impl Store {
    /// Spends the auth key of that secret, and registers the device key, which the caller must have seen sign.
    pub async fn redeem(
        &self,
        email: &Email,
        hash: &[u8; 32],
        key: NewDeviceKey,
        now: Timestamp,
    ) -> Result<Redeem, StoreError> {
        let mut change = self.change().await?;
        let answer = exchange(&mut change, email, hash, &key, now).await?;
        match answer {
            Redeem::Redeemed(_) => change.commit().await?,
            Redeem::Refused | Redeem::KeyTaken | Redeem::TooManyKeys => change.rollback().await?,
        }
        Ok(answer)
    }
}

/// To be kept only if it answers `Redeemed`.
async fn exchange(
    connection: &mut SqliteConnection,
    email: &Email,
    hash: &[u8; 32],
    key: &NewDeviceKey,
    now: Timestamp,
) -> Result<Redeem, StoreError> {
    let Some(grant) = auth_keys::spend(connection, email, hash, now).await? else {
        return Ok(Redeem::Refused);
    };
    let user = ensure_user(connection, email, now).await?;
    match keys::register(connection, user, key, now).await? {
        AddKey::Added | AddKey::AlreadyYours => {}
        AddKey::Taken => return Ok(Redeem::KeyTaken),
        AddKey::TooMany => return Ok(Redeem::TooManyKeys),
    }
    match grant {
        Grant::Owner => {}
        Grant::Member(space) => join(connection, space, user, now).await?,
    }
    Ok(Redeem::Redeemed(load_user(connection, user).await?))
}

/// An owner who redeems a member key of their own Space stays its owner.
async fn join(
    connection: &mut SqliteConnection,
    space: SpaceId,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO members (space_id, user_id, created_at) \
         SELECT id, $2, $3 FROM spaces WHERE id = $1 AND owner_id <> $2 ON CONFLICT (space_id, user_id) DO NOTHING",
    )
    .bind(space.number())
    .bind(user.0)
    .bind(now.as_millisecond())
    .execute(connection)
    .await?;
    Ok(())
}
