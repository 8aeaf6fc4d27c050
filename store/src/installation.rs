//! The installation's id: what tells this gateway's containers from another's on the same engine.

use std::fmt;
use std::str::FromStr;

use crate::column::parsed;
use crate::{Store, StoreError};

/// Eight lower-case hexadecimal digits, made once for a database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstallationId(String);

impl InstallationId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not eight lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("an installation id is 8 lower-case hexadecimal digits")]
pub struct InstallationIdError;

impl FromStr for InstallationId {
    type Err = InstallationIdError;

    fn from_str(text: &str) -> Result<Self, InstallationIdError> {
        let shaped = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if shaped { Ok(Self(text.to_owned())) } else { Err(InstallationIdError) }
    }
}

impl Store {
    /// This installation's id; made at the first call, the same ever after.
    pub async fn installation(&self) -> Result<InstallationId, StoreError> {
        let mut change = self.change().await?;
        sqlx::query(
            "INSERT INTO installation (singleton, id) VALUES (1, $1) ON CONFLICT (singleton) DO NOTHING",
        )
        .bind(format!("{:08x}", rand::random::<u32>()))
        .execute(&mut *change)
        .await?;
        let id: String = sqlx::query_scalar("SELECT id FROM installation").fetch_one(&mut *change).await?;
        change.commit().await?;
        parsed("installation.id", &id)
    }
}
