//! Certificates: `issue-cert`, `cert list`, `cert revoke`, `ca`.

use jiff::{SignedDuration, Timestamp};
use russh::keys::{Certificate, PublicKey};
use spaces_protocol::certificate::Ttl;
use spaces_protocol::command::IssueCertArguments;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{Serial, SpaceId};
use spaces_protocol::reply::{CertificateChange, CertificateRow, IssuedCertificate, Reply};
use spaces_store::{Certify, NewCertificate};
use tracing::{error, info};

use super::run::Caller;
use crate::certificate::{Order, digest};
use crate::entrance::{find, store_failed};
use crate::identity::ProvenKey;
use crate::ssh::parse_public_key;

/// The public halves of the keys that sign here.
pub(crate) fn authorities(caller: &Caller<'_>) -> Result<Reply, Failure> {
    caller.person()?;
    Ok(Reply::Authorities(caller.platform.authorities.shown()))
}

/// Signs a certificate for a key, which need not be registered, and records it before it is given out.
pub(crate) async fn issue(caller: &Caller<'_>, arguments: IssueCertArguments) -> Result<Reply, Failure> {
    let (person, platform) = (caller.person()?, caller.platform);
    let (key, _comment) = parse_public_key(&arguments.public_key).map_err(|refusal| {
        Failure::new(Code::Usage, refusal.to_string())
            .hint("give a public key on standard input: `issue-cert < id_ed25519.pub`")
    })?;
    let until = expiry(caller, arguments.ttl)?;
    let space = match &arguments.space {
        None => None,
        Some(reference) => Some(find(platform, person, reference).await?.id),
    };
    // No one else guesses it, and it is exact wherever JSON has numbers.
    let serial = Serial::new(rand::random::<i64>().rem_euclid(1 << 53).max(1));
    let certificate = sign(caller, &arguments, &key, space, serial, until)?;
    let new = NewCertificate {
        serial,
        user: person.user().id,
        issued_by: person.key().clone(),
        subject: key.fingerprint.clone(),
        digest: digest(&certificate).map_err(|error| broken(&error))?,
        space,
        expires_at: until,
    };
    let recorded = platform.store.record_certificate(new, Timestamp::now()).await;
    recorded.map_err(|error| store_failed(&error)).and_then(refusal)?;
    info!(user = %person.user().email, %serial, key = %key.fingerprint, key_id = certificate.key_id(), "certificate issued");
    Ok(Reply::CertIssued(IssuedCertificate {
        serial,
        certificate: certificate.to_openssh().map_err(|error| broken(&error))?,
        fingerprint: key.fingerprint,
        space,
        expires_at: until,
    }))
}

/// What the audit trail says of it.
pub(crate) fn target(outcome: &Result<Reply, Failure>) -> Option<String> {
    if let Ok(Reply::CertIssued(issued)) = outcome {
        Some(format!("{} for {}", issued.serial, issued.fingerprint))
    } else {
        None
    }
}

pub(crate) async fn list(caller: &Caller<'_>) -> Result<Reply, Failure> {
    let user = caller.person()?.user().id;
    let certificates = caller.platform.store.certificates(user, Timestamp::now()).await;
    let rows = certificates.map_err(|error| store_failed(&error))?.into_iter().map(|row| CertificateRow {
        serial: row.serial,
        fingerprint: row.subject,
        issued_by: row.issued_by,
        space: row.space,
        created_at: row.created_at,
        expires_at: row.expires_at,
    });
    Ok(Reply::Certs(rows.collect()))
}

pub(crate) async fn revoke(caller: &Caller<'_>, serial: Serial) -> Result<Reply, Failure> {
    let user = caller.person()?.user().id;
    let revoked = caller.platform.store.revoke_certificate(user, serial, Timestamp::now()).await;
    match revoked.map_err(|error| store_failed(&error))? {
        Some(()) => Ok(Reply::CertRevoked(CertificateChange { serial })),
        None => Err(Failure::new(Code::NotFound, format!("no certificate {serial}"))
            .hint("`cert list` shows yours that can be used")),
    }
}

fn sign(
    caller: &Caller<'_>,
    arguments: &IssueCertArguments,
    key: &ProvenKey,
    space: Option<SpaceId>,
    serial: Serial,
    until: Timestamp,
) -> Result<Certificate, Failure> {
    let person = caller.person()?;
    let public = PublicKey::from_openssh(&key.openssh).map_err(|error| broken(&error))?;
    let order = Order {
        serial,
        key: public.key_data(),
        email: &person.user().email,
        by: person.key(),
        space,
        command: arguments.command.as_ref(),
        sources: arguments.source_address.as_ref(),
        from: Timestamp::now(),
        until,
    };
    order.sign(caller.platform.authorities.user()).map_err(|error| broken(&error))
}

/// When it ends: in whole seconds, as certificates have it.
fn expiry(caller: &Caller<'_>, ttl: Option<Ttl>) -> Result<Timestamp, Failure> {
    let settings = &caller.platform.config.certificates;
    let (ttl, longest) = (ttl.map_or(settings.lifetime, Ttl::duration), settings.longest_lifetime);
    if ttl > longest {
        let longest = humantime::format_duration(longest);
        return Err(Failure::new(Code::Refused, format!("a certificate lives at most {longest} here"))
            .hint("issue another when it has ended"));
    }
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::ZERO);
    Ok(now.checked_add(ttl).unwrap_or(Timestamp::MAX))
}

fn refusal(recorded: Certify) -> Result<(), Failure> {
    match recorded {
        Certify::Recorded => Ok(()),
        Certify::IssuerGone => {
            Err(Failure::new(Code::NotAuthenticated, "not authenticated")
                .hint("your key was removed meanwhile"))
        }
        Certify::Taken => Err(Failure::new(Code::Refused, "that key belongs to somebody else here")
            .hint("make another with `ssh-keygen -t ed25519`")),
        Certify::TooMany => Err(Failure::new(Code::Refused, "you have too many certificates at once")
            .hint("`cert revoke` some, or wait until they end; a shorter `--ttl` helps")),
    }
}

fn broken(error: &russh::keys::ssh_key::Error) -> Failure {
    error!(error = error as &dyn std::error::Error, "a certificate could not be made");
    Failure::new(Code::Internal, "the certificate could not be made").hint("the platform's log tells more")
}
