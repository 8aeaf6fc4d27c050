//! Whether a certificate that somebody shows is one of ours and good now, from here; and what it says. Pure: whether
//! it was revoked is the store's to say.
//!
//! Its own signature was verified before (by russh, over the whole of it), so what it says is what its CA signed.

use std::net::IpAddr;

use jiff::Timestamp;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PublicKey};
use spaces_protocol::certificate::{ForcedCommand, SourceAddresses};
use spaces_protocol::name::{Email, Fingerprint, Serial, SpaceId};

use super::issue::digest;
use crate::identity::{Permit, Restrictions};
use crate::ssh::describe;

/// What a good certificate says.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) serial: Serial,
    /// Of the whole certificate.
    pub(crate) digest: [u8; 32],
    /// The key that it certifies.
    pub(crate) subject: Fingerprint,
    pub(crate) named: Named,
    pub(crate) restrictions: Restrictions,
}

/// Whom, or what, a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// Everything that this person can use.
    Person(Email),
    /// One Space.
    Space(SpaceId),
}

/// Why a certificate is refused. For the log: who shows it is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("signed by another authority")]
    Stranger,
    #[error("not a user certificate")]
    Kind,
    #[error("not valid yet")]
    NotYet,
    #[error("expired")]
    Expired,
    #[error("for another principal")]
    Principal,
    #[error("a critical option is not known here")]
    Option,
    #[error("a critical option makes no sense")]
    Value,
    #[error("from an address that it does not name")]
    Source,
    #[error("its key is too weak")]
    Weak,
    #[error("not issued here")]
    NotIssued,
    #[error("revoked")]
    Revoked,
}

/// Judges a certificate that this address shows.
pub(crate) fn judge(
    certificate: &Certificate,
    ca: &PublicKey,
    from: IpAddr,
    now: Timestamp,
) -> Result<Claim, Fault> {
    if certificate.signature_key() != ca.key_data() {
        return Err(Fault::Stranger);
    }
    if certificate.cert_type() != CertType::User {
        return Err(Fault::Kind);
    }
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    if now < certificate.valid_after() {
        return Err(Fault::NotYet);
    }
    if now >= certificate.valid_before() {
        return Err(Fault::Expired);
    }
    let named = named(certificate.valid_principals())?;
    let options = Options::read(certificate)?;
    if options.sources.is_some_and(|sources| !sources.include(from)) {
        return Err(Fault::Source);
    }
    let key = describe(&PublicKey::new(certificate.public_key().clone(), "")).map_err(|_weak| Fault::Weak)?;
    let permit = |extension| {
        if certificate.extensions().contains_key(extension) { Permit::Given } else { Permit::Withheld }
    };
    Ok(Claim {
        serial: certificate.serial().to_string().parse().map_err(|_never_ours| Fault::NotIssued)?,
        digest: digest(certificate).map_err(|_unencodable| Fault::NotIssued)?,
        subject: key.fingerprint,
        restrictions: Restrictions {
            space: match &named {
                Named::Person(_) => None,
                Named::Space(id) => Some(*id),
            },
            command: options.command,
            terminal: permit("permit-pty"),
            forwards: permit("permit-port-forwarding"),
            agent: permit("permit-agent-forwarding"),
            display: permit("permit-X11-forwarding"),
        },
        named,
    })
}

/// Ours have one principal. None at all would mean anybody.
fn named(principals: &[String]) -> Result<Named, Fault> {
    let [principal] = principals else { return Err(Fault::Principal) };
    if let Ok(space) = principal.parse() {
        return Ok(Named::Space(space));
    }
    principal.parse().map(Named::Person).map_err(|_neither| Fault::Principal)
}

/// The critical options that are known here.
struct Options {
    command: Option<ForcedCommand>,
    sources: Option<SourceAddresses>,
}

impl Options {
    fn read(certificate: &Certificate) -> Result<Self, Fault> {
        let mut options = Self { command: None, sources: None };
        for (name, value) in certificate.critical_options().iter() {
            match name.as_str() {
                "force-command" => {
                    options.command = Some(value.parse().map_err(|_senseless| Fault::Value)?);
                }
                "source-address" => {
                    options.sources = Some(value.parse().map_err(|_senseless| Fault::Value)?);
                }
                _ => return Err(Fault::Option),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests;
