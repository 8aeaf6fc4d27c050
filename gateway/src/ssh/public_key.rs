//! Public keys as text, and which of them may be device keys.

use russh::keys::{Algorithm, PublicKey};
use spaces_protocol::name::{Fingerprint, KeyName};

use crate::identity::ProvenKey;

/// Longest public key line: an RSA key of 16,384 bits fits.
const MAX_LINE: usize = 8 * 1024;

/// Why a key cannot be a device key; the text is for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyRefusal {
    #[error("that is not an OpenSSH public key")]
    Malformed,
    #[error("that is a private key: keep it to yourself, and give the `.pub` file")]
    Private,
    #[error("keys of that kind are too weak")]
    Weak,
}

/// A public key line with the name that its comment suggests.
pub(crate) fn parse_public_key(text: &str) -> Result<(ProvenKey, Option<KeyName>), KeyRefusal> {
    let line = text.trim();
    if line.contains("PRIVATE KEY") {
        return Err(KeyRefusal::Private);
    }
    if line.len() > MAX_LINE || line.lines().count() != 1 {
        return Err(KeyRefusal::Malformed);
    }
    let key = PublicKey::from_openssh(line).map_err(|_malformed| KeyRefusal::Malformed)?;
    let name = key.comment().to_string().parse().ok();
    Ok((describe(&key)?, name))
}

/// The key without its comment, if it may be a device key.
pub(crate) fn describe(key: &PublicKey) -> Result<ProvenKey, KeyRefusal> {
    let short = key.key_data().rsa().is_some_and(|rsa| rsa.key_size() < 2048);
    let weak = short || key.algorithm() == Algorithm::Dsa;
    if weak {
        return Err(KeyRefusal::Weak);
    }
    let bare = PublicKey::new(key.key_data().clone(), "");
    let openssh = bare.to_openssh().map_err(|_unencodable| KeyRefusal::Malformed)?;
    Ok(ProvenKey {
        fingerprint: fingerprint(key).ok_or(KeyRefusal::Malformed)?,
        openssh: openssh.trim().to_owned(),
    })
}

/// As OpenSSH prints it.
pub(crate) fn fingerprint(key: &PublicKey) -> Option<Fingerprint> {
    key.fingerprint(russh::keys::HashAlg::Sha256).to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti me@laptop";

    #[test]
    fn a_key_line_gives_the_key_and_the_name_in_its_comment() {
        let (key, name) = parse_public_key(GOOD).unwrap();
        assert_eq!(format!("{} me@laptop", key.openssh), GOOD);
        assert_eq!(name.unwrap().as_str(), "me@laptop");
        assert!(key.fingerprint.as_str().starts_with("SHA256:"));
    }

    #[test]
    fn what_is_no_public_key_is_told_apart() {
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb...";
        assert_eq!(parse_public_key(private).unwrap_err(), KeyRefusal::Private);
        let two = format!("{GOOD}\n{GOOD}");
        for text in ["", "hello", "ssh-ed25519 AAAA", two.as_str(), &"x".repeat(20_000)] {
            assert_eq!(parse_public_key(text).unwrap_err(), KeyRefusal::Malformed, "{text}");
        }
    }
}
