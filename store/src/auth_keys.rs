//! Auth keys: the one-time secrets that newcomers log in with. Kept as hashes alone.
//!
//! ```text
//! open --redeem--> used
//!   |---revoke---> revoked
//!   '---time-----> expired (computed, not kept; an expired key can still be revoked)
//! ```

use jiff::Timestamp;
use spaces_protocol::name::{AuthKeyId, Email, Role, SpaceId};
use sqlx::SqliteConnection;

use crate::column::{instant, parsed};
use crate::users::ensure_user;
use crate::{Store, StoreError, UserId};

/// What an auth key gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// An account of one's own, with whatever Spaces it owns.
    Owner,
    /// An account, and membership of this Space.
    Member(SpaceId),
}

impl Grant {
    fn of_column(space: Option<i64>) -> Self {
        space.map_or(Self::Owner, |number| Self::Member(SpaceId::new(number)))
    }

    /// The role it gives.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Owner => Role::Admin,
            Self::Member(_) => Role::Member,
        }
    }

    /// The Space it lets into, if one.
    #[must_use]
    pub fn space(self) -> Option<SpaceId> {
        match self {
            Self::Owner => None,
            Self::Member(space) => Some(space),
        }
    }
}

/// An auth key to issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuthKey {
    /// Who alone can use it.
    pub email: Email,
    /// What it gives.
    pub grant: Grant,
    /// The hash of its secret.
    pub hash: [u8; 32],
    /// From when on it is no good.
    pub expires_at: Timestamp,
    /// Who issued it; `None`: the operator, on the host.
    pub issued_by: Option<UserId>,
}

/// What came of issuing a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issue {
    /// It is open.
    Issued(AuthKeyId),
    /// There is no such Space to let anybody into, or it is being deleted.
    NoSpace,
}

/// What an auth key can still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKeyState {
    /// It works.
    Open,
    /// Somebody logged in with it.
    Used,
    /// Its time is over.
    Expired,
    /// It was called back.
    Revoked,
}

/// A line of the list of auth keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthKeyRow {
    /// Its id.
    pub id: AuthKeyId,
    /// Who alone can use it.
    pub email: Email,
    /// The role it gives.
    pub role: Role,
    /// The Space it lets into, if one. May be gone by now.
    pub space: Option<SpaceId>,
    /// What it can still do.
    pub state: AuthKeyState,
    /// From when on it is no good.
    pub expires_at: Timestamp,
    /// When it was issued.
    pub created_at: Timestamp,
}

/// What came of revoking a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoke {
    /// It is no good, now or since before.
    Revoked,
    /// Too late: somebody logged in with it.
    AlreadyUsed,
    /// There is no such key.
    Absent,
}

#[derive(sqlx::FromRow)]
struct StoredAuthKey {
    id: i64,
    email: String,
    space_id: Option<i64>,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl StoredAuthKey {
    fn read(self, now: Timestamp) -> Result<AuthKeyRow, StoreError> {
        let grant = Grant::of_column(self.space_id);
        let expires_at = instant("auth_keys.expires_at", self.expires_at)?;
        let state = match (self.used_at, self.revoked_at) {
            (Some(_), _) => AuthKeyState::Used,
            (None, Some(_)) => AuthKeyState::Revoked,
            (None, None) if expires_at <= now => AuthKeyState::Expired,
            (None, None) => AuthKeyState::Open,
        };
        Ok(AuthKeyRow {
            id: AuthKeyId::new(self.id),
            email: parsed("auth_keys.email", &self.email)?,
            role: grant.role(),
            space: grant.space(),
            state,
            expires_at,
            created_at: instant("auth_keys.created_at", self.created_at)?,
        })
    }
}

impl Store {
    /// Issues an auth key, and makes its person if absent.
    pub async fn issue_auth_key(&self, key: NewAuthKey, now: Timestamp) -> Result<Issue, StoreError> {
        let mut change = self.change().await?;
        if let Some(space) = key.grant.space() {
            let lives: Option<i64> =
                sqlx::query_scalar("SELECT id FROM spaces WHERE id = $1 AND desired <> 'deleted'")
                    .bind(space.number())
                    .fetch_optional(&mut *change)
                    .await?;
            if lives.is_none() {
                change.rollback().await?;
                return Ok(Issue::NoSpace);
            }
        }
        ensure_user(&mut change, &key.email, now).await?;
        let id = insert(&mut change, &key, now).await?;
        change.commit().await?;
        Ok(Issue::Issued(id))
    }

    /// All auth keys, newest first, as they stand at this time.
    pub async fn auth_keys(&self, now: Timestamp) -> Result<Vec<AuthKeyRow>, StoreError> {
        sqlx::query_as::<_, StoredAuthKey>(
            "SELECT id, email, space_id, created_at, expires_at, used_at, revoked_at FROM auth_keys ORDER BY id DESC",
        )
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(|key| key.read(now))
        .collect()
    }

    /// Calls an auth key back. Doing so twice is doing it once.
    pub async fn revoke_auth_key(&self, id: AuthKeyId, now: Timestamp) -> Result<Revoke, StoreError> {
        let mut change = self.change().await?;
        sqlx::query(
            "UPDATE auth_keys SET revoked_at = $2 WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL",
        )
        .bind(id.number())
        .bind(now.as_millisecond())
        .execute(&mut *change)
        .await?;
        let used_at: Option<Option<i64>> = sqlx::query_scalar("SELECT used_at FROM auth_keys WHERE id = $1")
            .bind(id.number())
            .fetch_optional(&mut *change)
            .await?;
        change.commit().await?;
        Ok(match used_at {
            Some(None) => Revoke::Revoked,
            Some(Some(_)) => Revoke::AlreadyUsed,
            None => Revoke::Absent,
        })
    }

    /// Whether this secret would redeem now. A wrong, expired, revoked or used key and another person's e-mail
    /// give the same answer. Changes nothing.
    pub async fn auth_key_is_good(
        &self,
        email: &Email,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let id: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM auth_keys WHERE hash = $1 AND email = $2 AND expires_at > $3 \
             AND used_at IS NULL AND revoked_at IS NULL",
        )
        .bind(hash.to_vec())
        .bind(email.as_str())
        .bind(now.as_millisecond())
        .fetch_optional(&self.readers)
        .await?;
        Ok(id.is_some())
    }
}

/// Writes an auth key within a change that may do more.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    key: &NewAuthKey,
    now: Timestamp,
) -> Result<AuthKeyId, StoreError> {
    let id = sqlx::query_scalar(
        "INSERT INTO auth_keys (email, space_id, hash, issued_by, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(key.email.as_str())
    .bind(key.grant.space().map(SpaceId::number))
    .bind(key.hash.to_vec())
    .bind(key.issued_by.map(|user| user.0))
    .bind(now.as_millisecond())
    .bind(key.expires_at.as_millisecond())
    .fetch_one(connection)
    .await?;
    Ok(AuthKeyId::new(id))
}

/// Takes an open key from open to used. The condition and the change are one statement: of many calls at once
/// one gets the grant.
pub(crate) async fn spend(
    connection: &mut SqliteConnection,
    email: &Email,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Grant>, StoreError> {
    let space: Option<Option<i64>> = sqlx::query_scalar(
        "UPDATE auth_keys SET used_at = $3 WHERE hash = $1 AND email = $2 AND expires_at > $3 \
         AND used_at IS NULL AND revoked_at IS NULL RETURNING space_id",
    )
    .bind(hash.to_vec())
    .bind(email.as_str())
    .bind(now.as_millisecond())
    .fetch_optional(connection)
    .await?;
    Ok(space.map(Grant::of_column))
}
