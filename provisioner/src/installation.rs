//! The installation: what keeps two gateways on one engine apart. Owns how everything of ours is named.
//!
//! A thing's name says whose it is, so that a name that is taken is taken by us: by an attempt before this one.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use spaces_protocol::name::SpaceId;

/// The label that says which installation a container or a network belongs to.
pub(crate) const INSTALLATION_LABEL: &str = "dev.spaces.installation";

/// The label that says which Space; for people who look, the name says the same.
const SPACE_LABEL: &str = "dev.spaces.space";

/// An installation's id, `[a-z0-9]{1,32}`: no dash, so that a name reads in one way only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Installation(String);

/// The text is not an installation's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an installation id is 1 to 32 lower-case letters and digits")]
pub struct InstallationError;

impl FromStr for Installation {
    type Err = InstallationError;

    fn from_str(text: &str) -> Result<Self, InstallationError> {
        let shaped = (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if shaped { Ok(Self(text.to_owned())) } else { Err(InstallationError) }
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Installation {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the host's network interfaces of this installation's Spaces begin with: `sp` and five letters, for
    /// the host's firewall (`-i <prefix>+`).
    #[must_use]
    pub fn interface_prefix(&self) -> String {
        let letters = digest(&self.0).into_iter().take(5).map(|byte| char::from(b'a' + byte % 26));
        "sp".chars().chain(letters).collect()
    }

    /// The host's network interface of one Space. The kernel allows 15 bytes: the prefix and eight digits.
    #[must_use]
    pub fn interface(&self, space: SpaceId) -> String {
        format!("{}{}", self.interface_prefix(), space.number().rem_euclid(100_000_000))
    }

    /// The name of a Space's container, and of its network.
    pub(crate) fn name_of(&self, space: SpaceId) -> String {
        format!("spaces-{}-{space}", self.0)
    }

    /// The Space that a container or a network with this name is of. The engine lists names with a `/` ahead.
    pub(crate) fn space_of(&self, name: &str) -> Option<SpaceId> {
        let name = name.strip_prefix('/').unwrap_or(name);
        let id = name.strip_prefix("spaces-")?.strip_prefix(self.as_str())?.strip_prefix('-')?;
        id.parse().ok()
    }

    /// The labels of everything that belongs to a Space.
    pub(crate) fn labels(&self, space: SpaceId) -> HashMap<String, String> {
        HashMap::from([
            (INSTALLATION_LABEL.to_owned(), self.0.clone()),
            (SPACE_LABEL.to_owned(), space.to_string()),
        ])
    }

    /// The engine's filter for everything of this installation.
    pub(crate) fn filter(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![format!("{INSTALLATION_LABEL}={}", self.0)])])
    }

    /// A number that differs from Space to Space and never changes for one.
    pub(crate) fn seed_of(&self, space: SpaceId) -> u64 {
        digest(&self.name_of(space)).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// A digest and not the standard library's hasher, since names must outlive the compiler's version.
fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_installation_id_has_no_dash_and_no_upper_case() {
        for bad in ["", "a-b", "A", "a_b", "a b", &"a".repeat(33)] {
            assert_eq!(bad.parse::<Installation>(), Err(InstallationError), "{bad}");
        }
    }

    #[test]
    fn the_name_of_another_installation_is_nobody_here() {
        let installation: Installation = "a1".parse().unwrap();
        for name in
            ["spaces-a1-", "spaces-a1-sp_01", "spaces-a-sp_1", "spaces-a11-sp_1", "x-spaces-a1-sp_1", ""]
        {
            assert_eq!(installation.space_of(name), None, "{name}");
        }
        assert_eq!(installation.space_of("/spaces-a1-sp_7"), Some(SpaceId::new(7)));
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_its_space(id in "[a-z0-9]{1,32}", number in 1_i64..) {
            let installation: Installation = id.parse().unwrap();
            let space = SpaceId::new(number);
            prop_assert_eq!(installation.space_of(&installation.name_of(space)), Some(space));
        }

        #[test]
        fn an_interface_name_fits_the_kernel(id in "[a-z0-9]{1,32}", number in any::<i64>()) {
            let installation: Installation = id.parse().unwrap();
            let interface = installation.interface(SpaceId::new(number));
            prop_assert!(interface.len() <= 15);
            prop_assert!(interface.starts_with(&installation.interface_prefix()));
        }
    }
}
