//! People. One is an e-mail; nobody is ever deleted, since the audit trail and the auth keys point at them.

use jiff::Timestamp;
use spaces_protocol::name::{Email, Fingerprint};
use sqlx::SqliteConnection;

use crate::column::{instant, parsed, unsigned};
use crate::{Store, StoreError};

/// A person's number in this database. Only the store makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub(crate) i64);

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub id: UserId,
    /// The platform's name for them.
    pub email: Email,
    /// Whether they run the platform.
    pub platform_admin: bool,
    /// When they were first let in.
    pub created_at: Timestamp,
}

/// A line of the list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Who.
    pub email: Email,
    /// Whether they run the platform.
    pub platform_admin: bool,
    /// How many Spaces they own.
    pub spaces: u32,
    /// How many device keys they have.
    pub keys: u32,
    /// When they were first let in.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
pub(crate) struct StoredUser {
    id: i64,
    email: String,
    platform_admin: bool,
    created_at: i64,
}

impl StoredUser {
    pub(crate) fn read(self) -> Result<User, StoreError> {
        Ok(User {
            id: UserId(self.id),
            email: parsed("users.email", &self.email)?,
            platform_admin: self.platform_admin,
            created_at: instant("users.created_at", self.created_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ListedUser {
    email: String,
    platform_admin: bool,
    created_at: i64,
    spaces: i64,
    keys: i64,
}

impl ListedUser {
    fn read(self) -> Result<UserRow, StoreError> {
        Ok(UserRow {
            email: parsed("users.email", &self.email)?,
            platform_admin: self.platform_admin,
            spaces: unsigned("count of spaces", self.spaces)?,
            keys: unsigned("count of device_keys", self.keys)?,
            created_at: instant("users.created_at", self.created_at)?,
        })
    }
}

impl Store {
    /// Whose device key this is. The caller must have seen it sign.
    pub async fn user_by_key(&self, fingerprint: &Fingerprint) -> Result<Option<User>, StoreError> {
        sqlx::query_as::<_, StoredUser>(
            "SELECT u.id, u.email, u.platform_admin, u.created_at \
             FROM device_keys k JOIN users u ON u.id = k.user_id WHERE k.fingerprint = $1",
        )
        .bind(fingerprint.as_str())
        .fetch_optional(&self.readers)
        .await?
        .map(StoredUser::read)
        .transpose()
    }

    /// Everybody, by e-mail.
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        sqlx::query_as::<_, ListedUser>(
            "SELECT u.email, u.platform_admin, u.created_at, \
                (SELECT COUNT(*) FROM spaces s WHERE s.owner_id = u.id) AS spaces, \
                (SELECT COUNT(*) FROM device_keys k WHERE k.user_id = u.id) AS keys \
             FROM users u ORDER BY u.email",
        )
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(ListedUser::read)
        .collect()
    }

    /// Makes this person a platform admin, and makes the person first if need be: how a platform starts.
    pub async fn ensure_platform_admin(&self, email: &Email, now: Timestamp) -> Result<UserId, StoreError> {
        let mut change = self.change().await?;
        let id = ensure_user(&mut change, email, now).await?;
        sqlx::query("UPDATE users SET platform_admin = TRUE WHERE id = $1")
            .bind(id.0)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(id)
    }

    /// Makes this person a platform admin. `None`: there is no such person.
    pub async fn grant(&self, email: &Email) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let granted = sqlx::query("UPDATE users SET platform_admin = TRUE WHERE email = $1")
            .bind(email.as_str())
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        Ok((granted > 0).then_some(()))
    }
}

/// The person of this e-mail, made if absent.
pub(crate) async fn ensure_user(
    connection: &mut SqliteConnection,
    email: &Email,
    now: Timestamp,
) -> Result<UserId, StoreError> {
    sqlx::query("INSERT INTO users (email, created_at) VALUES ($1, $2) ON CONFLICT (email) DO NOTHING")
        .bind(email.as_str())
        .bind(now.as_millisecond())
        .execute(&mut *connection)
        .await?;
    let id = sqlx::query_scalar("SELECT id FROM users WHERE email = $1")
        .bind(email.as_str())
        .fetch_one(connection)
        .await?;
    Ok(UserId(id))
}

/// A person who is known to be there.
pub(crate) async fn load_user(connection: &mut SqliteConnection, id: UserId) -> Result<User, StoreError> {
    sqlx::query_as::<_, StoredUser>("SELECT id, email, platform_admin, created_at FROM users WHERE id = $1")
        .bind(id.0)
        .fetch_one(connection)
        .await?
        .read()
}
