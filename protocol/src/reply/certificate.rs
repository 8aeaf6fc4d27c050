//! Answers about certificates, and their text.

use jiff::Timestamp;
use serde::Serialize;

use super::Text;
use super::text::at;
use crate::name::{Fingerprint, Serial, SpaceId};
use crate::table;

/// The answer to `ca`: whom to believe. Public.
#[derive(Debug, Clone, Serialize)]
pub struct Authorities {
    /// A line for `known_hosts`: believe gateways of these names that this key vouches for.
    pub host: String,
    /// A public key, as for sshd's `TrustedUserCAKeys`: whom this platform's certificates are signed by.
    pub user: String,
}

impl Authorities {
    pub(super) fn to_text(&self) -> Text {
        Text { stdout: format!("{}\n{}\n", self.host, self.user), stderr: String::new() }
    }
}

/// A new certificate.
#[derive(Debug, Clone, Serialize)]
pub struct IssuedCertificate {
    /// To revoke it by.
    pub serial: Serial,
    /// Its one line, as in a `-cert.pub` file.
    pub certificate: String,
    /// The key that it certifies.
    pub fingerprint: Fingerprint,
    /// The one Space that it enters.
    pub space: Option<SpaceId>,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl IssuedCertificate {
    /// The line alone is data, so that it can be captured; what to know about it is news.
    pub(super) fn to_text(&self) -> Text {
        let stderr = format!("certificate {} can be used until {}\n", self.serial, at(self.expires_at));
        Text { stdout: format!("{}\n", self.certificate), stderr }
    }
}

/// A row of `cert list`.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateRow {
    /// To revoke it by.
    pub serial: Serial,
    /// The key that it certifies.
    pub fingerprint: Fingerprint,
    /// The device key that issued it.
    pub issued_by: Fingerprint,
    /// The one Space that it enters; none where it is not limited to one.
    pub space: Option<SpaceId>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

pub(super) fn rows(rows: &[CertificateRow]) -> String {
    table::render(
        ["serial", "fingerprint", "issued_by", "space", "created_at", "expires_at"],
        rows.iter().map(|row| {
            [
                row.serial.to_string(),
                row.fingerprint.to_string(),
                row.issued_by.to_string(),
                row.space.map_or_else(|| "-".to_owned(), |space| space.to_string()),
                at(row.created_at),
                at(row.expires_at),
            ]
        }),
    )
}

/// What happened to a certificate.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateChange {
    /// Which.
    pub serial: Serial,
}
