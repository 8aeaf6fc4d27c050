//! A person's certificate, from what was asked for. Pure.

use std::time::Duration;

use jiff::Timestamp;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Certificate, PrivateKey, ssh_key};
use sha2::{Digest as _, Sha256};
use spaces_protocol::certificate::{ForcedCommand, SourceAddresses};
use spaces_protocol::name::{Email, Fingerprint, Serial, SpaceId};

/// A clock may be behind ours.
const SLACK: Duration = Duration::from_mins(1);

/// What a certificate that runs one command has no use for, and what every other has.
const FORWARDS: [&str; 3] = ["permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding"];
const TERMINAL: &str = "permit-pty";

/// What is to be certified.
pub(crate) struct Order<'a> {
    pub(crate) serial: Serial,
    pub(crate) key: &'a KeyData,
    /// Whom it stands for.
    pub(crate) email: &'a Email,
    /// By the word of which device key.
    pub(crate) by: &'a Fingerprint,
    pub(crate) space: Option<SpaceId>,
    pub(crate) command: Option<&'a ForcedCommand>,
    pub(crate) sources: Option<&'a SourceAddresses>,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Order<'_> {
    /// Signs it.
    pub(crate) fn sign(&self, ca: &PrivateKey) -> Result<Certificate, ssh_key::Error> {
        let nonce: [u8; 32] = rand::random();
        let seconds = |time: Timestamp| u64::try_from(time.as_second()).unwrap_or_default();
        let after = seconds(self.from).saturating_sub(SLACK.as_secs());
        let mut builder = Builder::new(nonce, self.key.clone(), after, seconds(self.until))?;
        builder
            .serial(u64::try_from(self.serial.number()).unwrap_or_default())?
            .cert_type(CertType::User)?
            .key_id(format!("{} by {}", self.email, self.by))?
            .valid_principal(match self.space {
                Some(space) => space.to_string(),
                None => self.email.to_string(),
            })?
            .extension(TERMINAL, "")?
            .comment(self.email.as_str())?;
        match self.command {
            Some(command) => {
                builder.critical_option("force-command", command.as_str())?;
            }
            None => {
                for extension in FORWARDS {
                    builder.extension(extension, "")?;
                }
            }
        }
        if let Some(sources) = self.sources {
            builder.critical_option("source-address", sources.to_string())?;
        }
        builder.sign(ca)
    }
}

/// SHA-256 of the whole certificate, by which the store knows it.
pub(crate) fn digest(certificate: &Certificate) -> Result<[u8; 32], ssh_key::Error> {
    Ok(Sha256::digest(certificate.to_bytes()?).into())
}
