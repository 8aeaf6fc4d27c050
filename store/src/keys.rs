//! Device keys: the public halves that people sign in with. One fingerprint belongs to one person.

use jiff::Timestamp;
use spaces_protocol::name::{Fingerprint, KeyName};
use sqlx::SqliteConnection;

use crate::certificates::revoke_with_key;
use crate::column::{instant, parsed};
use crate::{Store, StoreError, UserId};

/// A person's machines, agents and CI included, do not come to this; a script gone wild does.
const MOST_KEYS: i64 = 100;

/// `last_used_at` is exact to this much: a sync of the disk for each connection would cost more than it tells.
const TOUCH_STEP_MILLISECONDS: i64 = 60_000;

/// A registered device key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceKey {
    /// What its owner calls it.
    pub name: KeyName,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// One line as OpenSSH writes it, without a comment: `ssh-ed25519 AAAA...`.
    pub public_key: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last signed in, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A device key to register. The caller must have seen it sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeviceKey {
    /// What its owner calls it.
    pub name: KeyName,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// One line as OpenSSH writes it, without a comment: `ssh-ed25519 AAAA...`.
    pub public_key: String,
}

/// What came of registering a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddKey {
    /// It is theirs now.
    Added,
    /// It was theirs before; nothing changed.
    AlreadyYours,
    /// It is another person's.
    Taken,
    /// They have as many keys as one may have.
    TooMany,
}

/// Whether a person's last key may go. Without one they can only come back with a new auth key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastKey {
    /// Refuse.
    Keep,
    /// Remove it all the same.
    Remove,
}

/// What came of removing a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveKey {
    /// It opens nothing any more.
    Removed,
    /// That person has no such key.
    Absent,
    /// It is that person's last key, and was kept.
    LastKey,
}

#[derive(sqlx::FromRow)]
struct StoredKey {
    name: String,
    fingerprint: String,
    public_key: String,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl StoredKey {
    fn read(self) -> Result<DeviceKey, StoreError> {
        let last_used_at = self.last_used_at.map(|at| instant("device_keys.last_used_at", at));
        Ok(DeviceKey {
            name: parsed("device_keys.name", &self.name)?,
            fingerprint: parsed("device_keys.fingerprint", &self.fingerprint)?,
            public_key: self.public_key,
            created_at: instant("device_keys.created_at", self.created_at)?,
            last_used_at: last_used_at.transpose()?,
        })
    }
}

impl Store {
    /// This person's keys, oldest first.
    pub async fn keys(&self, user: UserId) -> Result<Vec<DeviceKey>, StoreError> {
        sqlx::query_as::<_, StoredKey>(
            "SELECT name, fingerprint, public_key, created_at, last_used_at \
             FROM device_keys WHERE user_id = $1 ORDER BY created_at, fingerprint",
        )
        .bind(user.0)
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(StoredKey::read)
        .collect()
    }

    /// Registers a key for this person.
    pub async fn add_key(
        &self,
        user: UserId,
        key: NewDeviceKey,
        now: Timestamp,
    ) -> Result<AddKey, StoreError> {
        let mut change = self.change().await?;
        let answer = register(&mut change, user, &key, now).await?;
        change.commit().await?;
        Ok(answer)
    }

    /// Takes a key from this person, and ends every certificate that it issued or that certifies it.
    pub async fn remove_key(
        &self,
        user: UserId,
        fingerprint: &Fingerprint,
        last: LastKey,
        now: Timestamp,
    ) -> Result<RemoveKey, StoreError> {
        let mut change = self.change().await?;
        let removed = sqlx::query("DELETE FROM device_keys WHERE user_id = $1 AND fingerprint = $2")
            .bind(user.0)
            .bind(fingerprint.as_str())
            .execute(&mut *change)
            .await?
            .rows_affected();
        let answer = if removed == 0 {
            RemoveKey::Absent
        } else if last == LastKey::Keep && count(&mut change, user).await? == 0 {
            RemoveKey::LastKey
        } else {
            RemoveKey::Removed
        };
        match answer {
            RemoveKey::Removed => {
                revoke_with_key(&mut change, fingerprint, now).await?;
                change.commit().await?;
            }
            RemoveKey::Absent | RemoveKey::LastKey => change.rollback().await?,
        }
        Ok(answer)
    }

    /// Notes that this key signed in.
    pub async fn touch_key(&self, fingerprint: &Fingerprint, now: Timestamp) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        sqlx::query(
            "UPDATE device_keys SET last_used_at = $2 \
             WHERE fingerprint = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
        )
        .bind(fingerprint.as_str())
        .bind(now.as_millisecond())
        .bind(now.as_millisecond().saturating_sub(TOUCH_STEP_MILLISECONDS))
        .execute(&mut *change)
        .await?;
        Ok(change.commit().await?)
    }
}

/// Registers a key within a change that may do more.
pub(crate) async fn register(
    connection: &mut SqliteConnection,
    user: UserId,
    key: &NewDeviceKey,
    now: Timestamp,
) -> Result<AddKey, StoreError> {
    let holder: Option<i64> = sqlx::query_scalar("SELECT user_id FROM device_keys WHERE fingerprint = $1")
        .bind(key.fingerprint.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    match holder {
        Some(holder) if holder == user.0 => return Ok(AddKey::AlreadyYours),
        Some(_another) => return Ok(AddKey::Taken),
        None => {}
    }
    if count(connection, user).await? >= MOST_KEYS {
        return Ok(AddKey::TooMany);
    }
    sqlx::query(
        "INSERT INTO device_keys (fingerprint, user_id, name, public_key, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(key.fingerprint.as_str())
    .bind(user.0)
    .bind(key.name.as_str())
    .bind(key.public_key.as_str())
    .bind(now.as_millisecond())
    .execute(connection)
    .await?;
    Ok(AddKey::Added)
}

async fn count(connection: &mut SqliteConnection, user: UserId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM device_keys WHERE user_id = $1")
        .bind(user.0)
        .fetch_one(connection)
        .await?)
}
