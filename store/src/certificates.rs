//! Certificates: which were signed here, for whom, by the word of which device key, and whether they still stand.
//! One is revoked by its owner, or with the key that issued it or that it certifies.

use jiff::Timestamp;
use spaces_protocol::name::{Fingerprint, Serial, SpaceId};
use sqlx::SqliteConnection;

use crate::column::{instant, parsed};
use crate::users::StoredUser;
use crate::{Store, StoreError, User, UserId};

/// Certificates of one person that can be in use at once. A build farm does not come to this; a script gone wild
/// does.
const MOST_CERTIFICATES: i64 = 1000;

/// How long one that has expired is remembered: a connection that it opened may still be there.
const KEPT_MILLISECONDS: i64 = 30 * 24 * 3600 * 1000;

/// A certificate that is about to be given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// Its serial, never used before.
    pub serial: Serial,
    /// Whom it stands for.
    pub user: UserId,
    /// The device key that asked for it.
    pub issued_by: Fingerprint,
    /// The key that it certifies.
    pub subject: Fingerprint,
    /// SHA-256 of the whole certificate.
    pub digest: [u8; 32],
    /// The one Space that it enters, if it is limited to one.
    pub space: Option<SpaceId>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What came of recording a certificate. It must be given out only if it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certify {
    /// It opens from now on.
    Recorded,
    /// The device key that asks is not that person's any more.
    IssuerGone,
    /// The key to certify is somebody else's device key.
    Taken,
    /// They have as many certificates as one may have at once.
    TooMany,
}

/// A certificate of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRow {
    /// Its serial.
    pub serial: Serial,
    /// The device key that asked for it.
    pub issued_by: Fingerprint,
    /// The key that it certifies.
    pub subject: Fingerprint,
    /// The one Space that it enters, if it is limited to one.
    pub space: Option<SpaceId>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Whether a certificate that was shown stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does, for this person.
    Stands(User),
    /// It was revoked, by itself or with a key.
    Revoked,
    /// It was not issued here, or what was issued under that serial has other contents.
    Unknown,
}

#[derive(sqlx::FromRow)]
struct StoredCertificate {
    serial: i64,
    issued_by: String,
    subject: String,
    space_id: Option<i64>,
    created_at: i64,
    expires_at: i64,
}

impl StoredCertificate {
    fn read(self) -> Result<CertificateRow, StoreError> {
        Ok(CertificateRow {
            serial: Serial::new(self.serial),
            issued_by: parsed("certificates.issued_by", &self.issued_by)?,
            subject: parsed("certificates.subject", &self.subject)?,
            space: self.space_id.map(SpaceId::new),
            created_at: instant("certificates.created_at", self.created_at)?,
            expires_at: instant("certificates.expires_at", self.expires_at)?,
        })
    }
}

impl Store {
    /// Notes a certificate before it is given out, and forgets those that ended long ago.
    pub async fn record_certificate(
        &self,
        new: NewCertificate,
        now: Timestamp,
    ) -> Result<Certify, StoreError> {
        let mut change = self.change().await?;
        sqlx::query("DELETE FROM certificates WHERE user_id = $1 AND expires_at < $2")
            .bind(new.user.0)
            .bind(now.as_millisecond().saturating_sub(KEPT_MILLISECONDS))
            .execute(&mut *change)
            .await?;
        let answer = record(&mut change, &new, now).await?;
        match answer {
            Certify::Recorded => change.commit().await?,
            Certify::IssuerGone | Certify::Taken | Certify::TooMany => change.rollback().await?,
        }
        Ok(answer)
    }

    /// This person's certificates that can be used now, those that end first before the others.
    pub async fn certificates(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        sqlx::query_as::<_, StoredCertificate>(
            "SELECT serial, issued_by, subject, space_id, created_at, expires_at FROM certificates \
             WHERE user_id = $1 AND expires_at > $2 AND revoked_at IS NULL ORDER BY expires_at, serial",
        )
        .bind(user.0)
        .bind(now.as_millisecond())
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(StoredCertificate::read)
        .collect()
    }

    /// Ends a certificate of this person; `None` where they have none of that serial that could be used.
    pub async fn revoke_certificate(
        &self,
        user: UserId,
        serial: Serial,
        now: Timestamp,
    ) -> Result<Option<()>, StoreError> {
        let mut change = self.change().await?;
        let revoked = sqlx::query(
            "UPDATE certificates SET revoked_at = $3 \
             WHERE serial = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3",
        )
        .bind(serial.number())
        .bind(user.0)
        .bind(now.as_millisecond())
        .execute(&mut *change)
        .await?
        .rows_affected();
        change.commit().await?;
        Ok((revoked > 0).then_some(()))
    }

    /// Whether the certificate of this serial and these contents stands. Its dates are the caller's to look at.
    pub async fn standing(&self, serial: Serial, digest: &[u8; 32]) -> Result<Standing, StoreError> {
        let standing = sqlx::query_as::<_, StoredUser>(
            "SELECT u.id, u.email, u.platform_admin, u.created_at FROM certificates c \
             JOIN users u ON u.id = c.user_id \
             JOIN device_keys k ON k.fingerprint = c.issued_by AND k.user_id = c.user_id \
             WHERE c.serial = $1 AND c.digest = $2 AND c.revoked_at IS NULL",
        )
        .bind(serial.number())
        .bind(digest.as_slice())
        .fetch_optional(&self.readers)
        .await?;
        if let Some(user) = standing {
            return Ok(Standing::Stands(user.read()?));
        }
        let issued: Option<i64> =
            sqlx::query_scalar("SELECT serial FROM certificates WHERE serial = $1 AND digest = $2")
                .bind(serial.number())
                .bind(digest.as_slice())
                .fetch_optional(&self.readers)
                .await?;
        Ok(issued.map_or(Standing::Unknown, |_serial| Standing::Revoked))
    }
}

async fn record(
    connection: &mut SqliteConnection,
    new: &NewCertificate,
    now: Timestamp,
) -> Result<Certify, StoreError> {
    if holder(connection, &new.issued_by).await? != Some(new.user.0) {
        return Ok(Certify::IssuerGone);
    }
    if holder(connection, &new.subject).await?.is_some_and(|holder| holder != new.user.0) {
        return Ok(Certify::Taken);
    }
    let in_use: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM certificates WHERE user_id = $1 AND expires_at > $2 AND revoked_at IS NULL",
    )
    .bind(new.user.0)
    .bind(now.as_millisecond())
    .fetch_one(&mut *connection)
    .await?;
    if in_use >= MOST_CERTIFICATES {
        return Ok(Certify::TooMany);
    }
    sqlx::query(
        "INSERT INTO certificates \
         (serial, user_id, issued_by, subject, digest, space_id, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.serial.number())
    .bind(new.user.0)
    .bind(new.issued_by.as_str())
    .bind(new.subject.as_str())
    .bind(new.digest.as_slice())
    .bind(new.space.map(SpaceId::number))
    .bind(now.as_millisecond())
    .bind(new.expires_at.as_millisecond())
    .execute(connection)
    .await?;
    Ok(Certify::Recorded)
}

async fn holder(
    connection: &mut SqliteConnection,
    fingerprint: &Fingerprint,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("SELECT user_id FROM device_keys WHERE fingerprint = $1")
        .bind(fingerprint.as_str())
        .fetch_optional(connection)
        .await?)
}

/// Ends what stands on a key that is removed, within the change that removes it: a key that is registered anew must
/// not bring old certificates back.
pub(crate) async fn revoke_with_key(
    connection: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE certificates SET revoked_at = $2 \
         WHERE (issued_by = $1 OR subject = $1) AND revoked_at IS NULL",
    )
    .bind(fingerprint.as_str())
    .bind(now.as_millisecond())
    .execute(connection)
    .await?;
    Ok(())
}
