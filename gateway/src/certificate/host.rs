//! The host key's certificate: who has the host CA's public half in `known_hosts` believes every gateway that this
//! CA vouches for. It is made anew at a start that finds it missing, for another key or other names, or half over.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::{Certificate, PrivateKey, PublicKey};
use serde::Deserialize;

/// What sshd calls the certificate of this host key.
const FILE: &str = "ssh_host_ed25519_key-cert.pub";

/// It is made anew at a start in its second half, so a gateway that is restarted once a year always has a good one.
const LIFETIME: Duration = Duration::from_hours(2 * 366 * 24);

/// A clock may be behind ours.
const SLACK: Duration = Duration::from_hours(1);

/// A name or an address that people type to reach a gateway. No pattern: it is a claim, which somebody believes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostName(String);

impl TryFrom<String> for HostName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let shaped = (1..=253).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
        // As ssh compares them.
        shaped.then(|| Self(text.to_ascii_lowercase())).ok_or("a host name is letters, digits and .-_:")
    }
}

impl HostName {
    /// What this machine calls itself.
    pub(super) fn of_this_machine() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self::try_from(name.trim().to_owned()).unwrap_or_else(|_shapeless| Self("localhost".to_owned()))
    }
}

/// What people put into `known_hosts`: for these names on any port.
pub(super) fn known_hosts_line(names: &[HostName], ca: &PublicKey) -> anyhow::Result<String> {
    let patterns: Vec<String> = names.iter().map(|HostName(name)| format!("{name},[{name}]:*")).collect();
    Ok(format!("@cert-authority {} {}", patterns.join(","), ca.to_openssh()?))
}

/// The certificate in the state folder, if it is still good; else a new one.
pub(super) fn load_or_sign(
    state: &Path,
    host_key: &PrivateKey,
    ca: &PrivateKey,
    names: &[HostName],
) -> anyhow::Result<Certificate> {
    let (path, now) = (state.join(FILE), Timestamp::now());
    if let Ok(present) = Certificate::read_file(&path)
        && is_good(&present, host_key, ca, names, now)
    {
        return Ok(present);
    }
    let certificate = sign(host_key, ca, names, now)?;
    let mut file = tempfile::Builder::new().prefix(".cert-").tempfile_in(state)?;
    writeln!(file, "{}", certificate.to_openssh()?)?;
    file.as_file().sync_all()?;
    file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(certificate)
}

fn is_good(
    certificate: &Certificate,
    host_key: &PrivateKey,
    ca: &PrivateKey,
    names: &[HostName],
    now: Timestamp,
) -> bool {
    let same_names = certificate.valid_principals().iter().eq(names.iter().map(|HostName(name)| name));
    let half = seconds(now).saturating_add(LIFETIME.as_secs() / 2);
    certificate.validate_at(seconds(now), [&ca.fingerprint(russh::keys::HashAlg::Sha256)]).is_ok()
        && certificate.cert_type() == CertType::Host
        && certificate.public_key() == host_key.public_key().key_data()
        && certificate.critical_options().is_empty()
        && same_names
        && half < certificate.valid_before()
}

fn sign(
    host_key: &PrivateKey,
    ca: &PrivateKey,
    names: &[HostName],
    now: Timestamp,
) -> anyhow::Result<Certificate> {
    let nonce: [u8; 32] = rand::random();
    let from = seconds(now).saturating_sub(SLACK.as_secs());
    let until = seconds(now).saturating_add(LIFETIME.as_secs());
    let mut builder = Builder::new(nonce, host_key.public_key().key_data().clone(), from, until)?;
    builder.serial(rand::random())?.cert_type(CertType::Host)?.key_id("spaces-gateway")?;
    for HostName(name) in names {
        builder.valid_principal(name.as_str())?;
    }
    Ok(builder.sign(ca)?)
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| HostName::try_from((*name).to_owned()).unwrap()).collect()
    }

    #[test]
    fn it_is_kept_until_its_key_its_names_or_its_authority_change_or_half_of_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| crate::key_file::load_or_create(folder.path(), name, "").unwrap();
        let (host, ca) = (key("host"), key("ca"));
        let here = names(&["gate.example.com"]);
        let load = |host: &PrivateKey, ca: &PrivateKey, names: &[HostName]| {
            load_or_sign(folder.path(), host, ca, names).unwrap().serial()
        };
        let first = load(&host, &ca, &here);
        assert_eq!(load(&host, &ca, &here), first);
        let second = load(&key("other host"), &ca, &here);
        assert_ne!(second, first);
        let third = load(&key("other host"), &key("other ca"), &here);
        assert_ne!(third, second);
        assert_ne!(load(&key("other host"), &key("other ca"), &names(&["b"])), third);
        std::fs::write(folder.path().join(FILE), "garbage").unwrap();
        load(&host, &ca, &here);

        let now = Timestamp::now();
        let made = sign(&host, &ca, &here, now).unwrap();
        let after = |part: Duration| now.checked_add(jiff::SignedDuration::try_from(part).unwrap()).unwrap();
        assert!(is_good(
            &made,
            &host,
            &ca,
            &here,
            after(LIFETIME / 2).checked_sub(jiff::SignedDuration::from_hours(1)).unwrap()
        ));
        assert!(!is_good(&made, &host, &ca, &here, after(LIFETIME / 2)));
    }

    #[test]
    fn a_host_name_is_a_name_and_no_pattern() {
        assert_eq!(names(&["Gate.Example.COM", "::1"]), names(&["gate.example.com", "::1"]));
        for text in ["", "*", "a,b", "a b", "a\n", "!a", "[a]"] {
            assert!(HostName::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
