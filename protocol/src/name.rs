//! Names that people type and ids that we make. Only `parse` makes one, so a value proves its shape.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of the kind that was asked for. The text itself is not repeated here: it may
/// hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `[a-z][a-z0-9-]{0,30}`.
    #[error("a space name is a lower-case letter, then up to 30 letters, digits or dashes")]
    Shape,
    /// Taken by the platform: `spaces`, `join`, `root`, `admin`.
    #[error("that space name is reserved")]
    Reserved,
    /// Not `sp_` and a number.
    #[error("a space id is `sp_` and a number")]
    Id,
    /// Neither a name nor an id.
    #[error("a space is named by its exact name or its `sp_...` id")]
    Reference,
    /// Not an address of at most 254 characters with one `@`.
    #[error("that is not an e-mail address")]
    Email,
    /// Empty, longer than 64 characters, or with characters that do not print.
    #[error("a key name is 1 to 64 printable characters")]
    KeyName,
    /// Longer than 500 characters, or with characters that do not print.
    #[error("a reason is at most 500 printable characters")]
    Reason,
    /// Not `SHA256:` and 43 characters of base64.
    #[error("a fingerprint is `SHA256:` and 43 characters, as `ssh-keygen -l` prints it")]
    Fingerprint,
    /// Not `ak_` and a number.
    #[error("an auth key id is `ak_` and a number")]
    AuthKeyId,
    /// Not a number from 1 on.
    #[error("a serial is a number, as `cert list` shows it")]
    Serial,
}

/// Login names of the platform itself, and names that would read as one.
const RESERVED: [&str; 4] = ["spaces", "join", "root", "admin"];

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

/// The name its owner gave a Space; unique among the Spaces of that owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceName(String);
text_newtype!(SpaceName);

impl FromStr for SpaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut bytes = text.bytes();
        let shaped = text.len() <= 31
            && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        match () {
            () if !shaped => Err(NameError::Shape),
            () if RESERVED.contains(&text) => Err(NameError::Reserved),
            () => Ok(Self(text.to_owned())),
        }
    }
}

impl SpaceName {
    /// The name a person's first Space gets: the e-mail's local part, made to fit.
    #[must_use]
    pub fn from_email(email: &Email) -> Self {
        let mut name: String = email
            .local_part()
            .chars()
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
            .skip_while(|c| !c.is_ascii_lowercase())
            .take(25)
            .collect();
        name.truncate(name.trim_end_matches('-').len());
        name.parse().unwrap_or_else(|_refused: NameError| {
            let fitted = if name.is_empty() { "home".to_owned() } else { format!("{name}-home") };
            Self(fitted)
        })
    }

    /// This name with `-2`, `-3`... behind it, for an owner who already has it.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let stem: String = self.0.chars().take(31_usize.saturating_sub(suffix.len())).collect();
        Self(stem + &suffix)
    }
}

macro_rules! number_id {
    ($name:ident, $prefix:literal, $error:expr) => {
        impl $name {
            /// The id of this number.
            #[must_use]
            pub fn new(number: i64) -> Self {
                Self(number)
            }

            /// Its number, as the store keeps it.
            #[must_use]
            pub fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let digits = text.strip_prefix($prefix).ok_or($error)?;
                let canonical = !digits.is_empty()
                    && !digits.starts_with('0')
                    && digits.bytes().all(|byte| byte.is_ascii_digit());
                if !canonical {
                    return Err($error);
                }
                digits.parse().map(Self).map_err(|_overflow| $error)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

/// A Space's id, `sp_<n>`: never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceId(i64);
number_id!(SpaceId, "sp_", NameError::Id);

/// An auth key's id, `ak_<n>`; says nothing of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthKeyId(i64);
number_id!(AuthKeyId, "ak_", NameError::AuthKeyId);

/// A certificate's serial: never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(i64);
number_id!(Serial, "", NameError::Serial);

/// How a person names a Space: by exact id or exact name. The two never look alike, since a name has no `_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SpaceReference {
    /// `sp_<n>`.
    Id(SpaceId),
    /// A name.
    Name(SpaceName),
}

impl FromStr for SpaceReference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse().map(Self::Name).map_err(|_shape: NameError| NameError::Reference)
    }
}

impl fmt::Display for SpaceReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl TryFrom<String> for SpaceReference {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<SpaceReference> for String {
    fn from(reference: SpaceReference) -> Self {
        reference.to_string()
    }
}

/// A person's e-mail address, in lower case: the platform's name for a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);
text_newtype!(Email);

impl FromStr for Email {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim_ascii();
        let (local, domain) = text.split_once('@').ok_or(NameError::Email)?;
        let printable = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"@\"'<>\\`,;".contains(&byte))
        };
        let shaped = text.len() <= 254 && local.len() <= 64 && printable(local) && printable(domain);
        let dotted = !domain.starts_with('.') && !domain.ends_with('.') && !local.starts_with('-');
        if shaped && dotted { Ok(Self(text.to_ascii_lowercase())) } else { Err(NameError::Email) }
    }
}

impl Email {
    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or(self.0.as_str(), |(local, _domain)| local)
    }
}

/// What a person calls a device key, so that a list of them can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);
text_newtype!(KeyName);

impl FromStr for KeyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        // Blanks become dashes: a cell of a table has none.
        if fits {
            Ok(Self(text.split_whitespace().collect::<Vec<_>>().join("-")))
        } else {
            Err(NameError::KeyName)
        }
    }
}

/// Why a newcomer asks for access: one line of free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);
text_newtype!(Reason);

impl FromStr for Reason {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let fits = text.chars().count() <= 500 && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::Reason) }
    }
}

/// A public key's SHA-256 fingerprint, as OpenSSH prints it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);
text_newtype!(Fingerprint);

impl FromStr for Fingerprint {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let digest = text.strip_prefix("SHA256:").ok_or(NameError::Fingerprint)?;
        let shaped = digest.len() == 43
            && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
        if shaped { Ok(Self(text.to_owned())) } else { Err(NameError::Fingerprint) }
    }
}

/// A person's role in a Space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Owns the Space: may stop, start and delete it.
    Admin,
    /// Was let in: may use it.
    Member,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Member => "member",
        })
    }
}

/// What an SSH login name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginName {
    /// `spaces`: the console.
    Console,
    /// `join`: may only request access.
    Join,
    /// A Space, as if it ran sshd.
    Space(SpaceReference),
}

impl FromStr for LoginName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "spaces" => Ok(Self::Console),
            "join" => Ok(Self::Join),
            space => space.parse().map(Self::Space),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_space_name_is_what_the_design_says() {
        for good in ["a", "my-room", "a23456789012345678901234567890b"] {
            assert!(good.parse::<SpaceName>().is_ok(), "{good}");
        }
        for bad in ["", "A", "1a", "-a", "a_b", "a b", "a\u{1b}", "a23456789012345678901234567890bc", "sp_1"]
        {
            assert_eq!(bad.parse::<SpaceName>(), Err(NameError::Shape), "{bad}");
        }
        assert_eq!("root".parse::<SpaceName>(), Err(NameError::Reserved));
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!("sp_12".parse::<SpaceId>().map(SpaceId::number), Ok(12));
        for bad in ["sp_", "sp_0", "sp_01", "sp_+1", "sp_1 ", "SP_1", "sp_99999999999999999999"] {
            assert_eq!(bad.parse::<SpaceId>(), Err(NameError::Id), "{bad}");
        }
    }

    #[test]
    fn an_email_is_folded_to_lower_case_and_bounded() {
        assert_eq!("You@Example.COM".parse::<Email>().unwrap().as_str(), "you@example.com");
        let long = format!("a@{}", "b".repeat(300));
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a\u{7}@c", "-o@b", "a@.b", long.as_str()] {
            assert_eq!(bad.parse::<Email>(), Err(NameError::Email), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_email_gives_a_space_name(local in "[!-?A-~]{1,64}") {
            if let Ok(email) = format!("{local}@example.com").parse::<Email>() {
                let name = SpaceName::from_email(&email);
                prop_assert!(name.as_str().parse::<SpaceName>().is_ok(), "{}", name);
                prop_assert!(name.numbered(4711).as_str().parse::<SpaceName>().is_ok());
            }
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,80}") {
            drop((text.parse::<LoginName>(), text.parse::<Email>(), text.parse::<KeyName>(), text.parse::<Fingerprint>()));
        }
    }
}
