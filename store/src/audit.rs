//! The audit trail: who did what, from where, with what outcome. It only grows.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use spaces_protocol::name::{Email, Fingerprint};
use sqlx::SqliteConnection;

use crate::column::{instant, parsed, words};
use crate::{Store, StoreError};

words! {
    /// How an action ended.
    pub enum Outcome {
        /// It was done.
        Done = "done",
        /// The platform said no.
        Refused = "refused",
        /// It broke.
        Failed = "failed",
    }
}

/// One line of the trail. Never holds a secret, a command line or what flowed through a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who, if known.
    pub actor: Option<Email>,
    /// The key that they proved to hold.
    pub key: Option<Fingerprint>,
    /// From where; `None`: on the host itself.
    pub from: Option<IpAddr>,
    /// A fixed word, like `space.delete`.
    pub action: Cow<'static, str>,
    /// What it was done to.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What else an auditor wants to know.
    pub detail: Option<String>,
}

#[derive(sqlx::FromRow)]
struct StoredEntry {
    at: i64,
    actor: Option<String>,
    key_fingerprint: Option<String>,
    from_address: Option<String>,
    action: String,
    target: Option<String>,
    outcome: String,
    detail: Option<String>,
}

impl StoredEntry {
    fn read(self) -> Result<AuditEntry, StoreError> {
        let actor = self.actor.map(|text| parsed("audit.actor", &text));
        let key = self.key_fingerprint.map(|text| parsed("audit.key_fingerprint", &text));
        let from = self.from_address.map(|text| parsed("audit.from_address", &text));
        Ok(AuditEntry {
            at: instant("audit.at", self.at)?,
            actor: actor.transpose()?,
            key: key.transpose()?,
            from: from.transpose()?,
            action: Cow::Owned(self.action),
            target: self.target,
            outcome: parsed("audit.outcome", &self.outcome)?,
            detail: self.detail,
        })
    }
}

impl Store {
    /// Adds a line to the trail.
    pub async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.record_all(&[entry]).await
    }

    /// Adds these lines to the trail, in this order, all or none. One sync of the disk is for all of them.
    pub async fn record_all(&self, entries: &[&AuditEntry]) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        for entry in entries {
            insert(&mut change, entry).await?;
        }
        Ok(change.commit().await?)
    }

    /// The last lines of the trail, newest first, at most this many.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        sqlx::query_as::<_, StoredEntry>(
            "SELECT at, actor, key_fingerprint, from_address, action, target, outcome, detail \
             FROM audit ORDER BY id DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(StoredEntry::read)
        .collect()
    }
}

async fn insert(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (at, actor, key_fingerprint, from_address, action, target, outcome, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.at.as_millisecond())
    .bind(entry.actor.as_ref().map(Email::as_str))
    .bind(entry.key.as_ref().map(Fingerprint::as_str))
    .bind(entry.from.map(|address| address.to_string()))
    .bind(entry.action.as_ref())
    .bind(entry.target.as_deref())
    .bind(entry.outcome.as_str())
    .bind(entry.detail.as_deref())
    .execute(connection)
    .await?;
    Ok(())
}
