//! Access requests: what strangers may write. Bounded, and at most one open a person.
//!
//! ```text
//! open --approve--> approved
//!   '----deny-----> denied      (that person may ask again)
//! ```

use std::net::IpAddr;

use jiff::Timestamp;
use spaces_protocol::name::{Email, Reason};
use sqlx::SqliteConnection;

use crate::column::{instant, parsed, words};
use crate::{Store, StoreError, UserId};

/// More than an admin can read, little enough that strangers cannot fill the disk.
const MOST_OPEN: i64 = 10_000;

/// What came of a request for access. Tell the stranger the same in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is open.
    New,
    /// That person has one open already; it stands as it was.
    Known,
    /// Too many are open; this one was dropped.
    Full,
}

/// An open request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Who, by their own word.
    pub email: Email,
    /// Why.
    pub reason: Reason,
    /// Where it came from.
    pub from: IpAddr,
    /// When.
    pub created_at: Timestamp,
}

words! {
    /// What an admin said.
    pub(crate) enum Decision {
        /// Let in.
        Approved = "approved",
        /// Not let in.
        Denied = "denied",
    }
}

#[derive(sqlx::FromRow)]
struct StoredRequest {
    email: String,
    reason: String,
    from_address: String,
    created_at: i64,
}

impl StoredRequest {
    fn read(self) -> Result<RequestRow, StoreError> {
        Ok(RequestRow {
            email: parsed("access_requests.email", &self.email)?,
            reason: parsed("access_requests.reason", &self.reason)?,
            from: parsed("access_requests.from_address", &self.from_address)?,
            created_at: instant("access_requests.created_at", self.created_at)?,
        })
    }
}

impl Store {
    /// Notes that a stranger asks for access.
    pub async fn record_request(
        &self,
        email: &Email,
        reason: &Reason,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let mut change = self.change().await?;
        let (open, known) = sqlx::query_as::<_, (i64, i64)>(
            "SELECT COUNT(*), COUNT(CASE WHEN email = $1 THEN 1 END) FROM access_requests WHERE decided_at IS NULL",
        )
        .bind(email.as_str())
        .fetch_one(&mut *change)
        .await?;
        if known > 0 || open >= MOST_OPEN {
            change.rollback().await?;
            return Ok(if known > 0 { Recorded::Known } else { Recorded::Full });
        }
        sqlx::query(
            "INSERT INTO access_requests (email, reason, from_address, created_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(email.as_str())
        .bind(reason.as_str())
        .bind(from.to_string())
        .bind(now.as_millisecond())
        .execute(&mut *change)
        .await?;
        change.commit().await?;
        Ok(Recorded::New)
    }

    /// The open requests, oldest first.
    pub async fn open_requests(&self) -> Result<Vec<RequestRow>, StoreError> {
        sqlx::query_as::<_, StoredRequest>(
            "SELECT email, reason, from_address, created_at FROM access_requests \
             WHERE decided_at IS NULL ORDER BY id",
        )
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(StoredRequest::read)
        .collect()
    }

    /// Denies this person's open request. `None`: there is none.
    pub async fn deny_request(
        &self,
        email: &Email,
        by: UserId,
        now: Timestamp,
    ) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let denied = decide(&mut change, email, Decision::Denied, by, now).await?;
        change.commit().await?;
        Ok(denied)
    }
}

/// Closes this person's open request. `None`: there is none.
pub(crate) async fn decide(
    connection: &mut SqliteConnection,
    email: &Email,
    decision: Decision,
    by: UserId,
    now: Timestamp,
) -> Result<Option<()>, StoreError> {
    let decided = sqlx::query(
        "UPDATE access_requests SET decision = $2, decided_by = $3, decided_at = $4 \
         WHERE email = $1 AND decided_at IS NULL",
    )
    .bind(email.as_str())
    .bind(decision.as_str())
    .bind(by.0)
    .bind(now.as_millisecond())
    .execute(connection)
    .await?
    .rows_affected();
    Ok((decided > 0).then_some(()))
}
