//! The auth key: the one-time secret that a newcomer logs in with, as one line of text.
//!
//! ```text
//! spaces_ base64url( version:1  secret:20  gateway:16  checksum:4 )
//! ```
//!
//! The prefix lets secret scanners find it. The checksum tells a typo from a wrong key. `gateway` is the
//! start of the SHA-256 of the gateway's host key, so a client refuses to send the key to anybody else. The
//! store keeps [`AuthKey::hash`] alone.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

const PREFIX: &str = "spaces_";
const VERSION: u8 = 1;
const SECRET: usize = 20;
const GATEWAY: usize = 16;
const CHECKSUM: usize = 4;
const BODY: usize = 1 + SECRET + GATEWAY;

/// The first 16 bytes of the SHA-256 of a gateway's host key (its public key blob, as in a fingerprint).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayMark([u8; GATEWAY]);

impl GatewayMark {
    /// The mark of this SSH public key blob.
    #[must_use]
    pub fn of_host_key(blob: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(blob).into();
        Self(std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default()))
    }
}

/// A well-formed auth key. Shown in full by `Display` alone; `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthKey {
    secret: [u8; SECRET],
    gateway: GatewayMark,
}

/// Why a line is not an auth key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthKeyError {
    /// Not of this form at all, or the checksum does not fit: a typo, or a key that was cut short.
    #[error("that auth key is mistyped")]
    Mistyped,
    /// Well-formed, of a version that this program does not know.
    #[error("that auth key is of a newer version")]
    Version,
}

impl AuthKey {
    /// A key of this secret for the gateway of that mark. The secret must be random.
    #[must_use]
    pub fn new(secret: [u8; SECRET], gateway: GatewayMark) -> Self {
        Self { secret, gateway }
    }

    /// The gateway it is for.
    #[must_use]
    pub fn gateway(&self) -> GatewayMark {
        self.gateway
    }

    /// What the store keeps: 160 random bits need no salt and no slow hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthKey(..)")
    }
}

impl fmt::Display for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BODY + CHECKSUM);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.gateway.0);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for AuthKey {
    type Err = AuthKeyError;

    fn from_str(text: &str) -> Result<Self, AuthKeyError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(AuthKeyError::Mistyped)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_malformed| AuthKeyError::Mistyped)?;
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(AuthKeyError::Mistyped)?;
        if crc32fast::hash(body).to_be_bytes() != *checksum {
            return Err(AuthKeyError::Mistyped);
        }
        let (&version, rest) = body.split_first().ok_or(AuthKeyError::Mistyped)?;
        if version != VERSION {
            return Err(AuthKeyError::Version);
        }
        let (secret, gateway) = rest.split_first_chunk::<SECRET>().ok_or(AuthKeyError::Mistyped)?;
        let gateway = <[u8; GATEWAY]>::try_from(gateway).map_err(|_length| AuthKeyError::Mistyped)?;
        Ok(Self { secret: *secret, gateway: GatewayMark(gateway) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(secret: u8) -> AuthKey {
        AuthKey::new([secret; SECRET], GatewayMark::of_host_key(b"host key"))
    }

    #[test]
    fn a_key_reads_back_and_its_debug_form_tells_nothing() {
        let text = key(7).to_string();
        assert_eq!(text.parse::<AuthKey>().unwrap(), key(7));
        assert_eq!(format!("  {text}\n").parse::<AuthKey>().unwrap(), key(7));
        assert_eq!(format!("{:?}", key(7)), "AuthKey(..)");
        assert_ne!(key(7).hash(), key(8).hash());
    }

    proptest! {
        #[test]
        fn a_single_wrong_character_is_told_as_a_typo(at in 7_usize..62, with in "[A-Za-z0-9_-]") {
            let text = key(7).to_string();
            let mut typed: Vec<char> = text.chars().collect();
            if let Some(place) = typed.get_mut(at) {
                *place = with.chars().next().unwrap();
            }
            let typed: String = typed.into_iter().collect();
            if typed != text {
                prop_assert_eq!(typed.parse::<AuthKey>(), Err(AuthKeyError::Mistyped));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,120}") {
            prop_assert!(text.parse::<AuthKey>().is_err());
        }
    }

    #[test]
    fn a_key_of_another_version_says_so() {
        let mut bytes = vec![9];
        bytes.extend_from_slice(&[1; SECRET + GATEWAY]);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(text.parse::<AuthKey>(), Err(AuthKeyError::Version));
    }
}
