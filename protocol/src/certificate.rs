//! What a person may ask of a certificate: how long, from where, for which one command.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Most networks in one certificate.
const MOST_NETWORKS: usize = 64;

/// Longest command, in bytes.
const MAX_COMMAND: usize = 4096;

/// Why a text is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a time, or one that no certificate has.
    #[error("a certificate lives from a second to a year, written 30s, 5m or 12h")]
    Ttl,
    /// Not networks in CIDR form.
    #[error("source addresses are networks with commas between them, such as `192.0.2.0/24,2001:db8::1`")]
    Networks,
    /// A network with bits set behind its prefix: an address with the wrong mask, most likely.
    #[error("`{0}` has bits behind its prefix: `{1}` is the network")]
    HostBits(IpNet, IpNet),
    /// Empty, too long, or with a NUL byte.
    #[error("a command is 1 to 4096 bytes, none of them NUL")]
    Command,
}

/// How long a certificate can be used: a second to a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ttl(Duration);

impl Ttl {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Ttl {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let duration = humantime::parse_duration(text).map_err(|_malformed| CertificateError::Ttl)?;
        let year = Duration::from_hours(366 * 24);
        let lives = (Duration::from_secs(1)..=year).contains(&duration);
        lives.then_some(Self(duration)).ok_or(CertificateError::Ttl)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// Networks that a certificate can be used from; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceAddresses(Vec<IpNet>);

impl SourceAddresses {
    /// Whether this address is in one of them.
    #[must_use]
    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for SourceAddresses {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let networks = text.split(',').map(network).collect::<Result<Vec<_>, _>>()?;
        if networks.len() > MOST_NETWORKS {
            return Err(CertificateError::Networks);
        }
        Ok(Self(networks))
    }
}

/// A network, or an address that stands for itself. As sshd, not one with bits behind its prefix.
fn network(text: &str) -> Result<IpNet, CertificateError> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_no_prefix) => {
            IpNet::from(text.parse::<IpAddr>().map_err(|_neither| CertificateError::Networks)?)
        }
    };
    if network != network.trunc() {
        return Err(CertificateError::HostBits(network, network.trunc()));
    }
    Ok(network)
}

impl fmt::Display for SourceAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

/// The one command that a certificate runs, whatever its holder asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ForcedCommand(String);

impl ForcedCommand {
    /// The line, for a shell.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ForcedCommand {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let shaped = (1..=MAX_COMMAND).contains(&text.len()) && !text.contains('\0');
        shaped.then(|| Self(text.to_owned())).ok_or(CertificateError::Command)
    }
}

impl fmt::Display for ForcedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! as_text {
    ($($name:ident),+) => {
        $(impl TryFrom<String> for $name {
            type Error = CertificateError;

            fn try_from(text: String) -> Result<Self, CertificateError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        })+
    };
}
as_text!(Ttl, SourceAddresses, ForcedCommand);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_include_what_is_in_one_of_them() {
        let sources: SourceAddresses = "192.0.2.0/24,2001:db8::1".parse().unwrap();
        let include = |address: &str| sources.include(address.parse().unwrap());
        assert!(include("192.0.2.77") && include("::ffff:192.0.2.77") && include("2001:db8::1"));
        assert!(!include("192.0.3.1") && !include("2001:db8::2") && !include("::1"));
        assert_eq!(sources.to_string(), "192.0.2.0/24,2001:db8::1/128");
    }

    #[test]
    fn what_is_no_list_of_networks_is_refused() {
        for text in
            ["", ",", "192.0.2.0/24,", "192.0.2.0/33", "192.0.2", "home", "10.0.0.0/8 ", "!10.0.0.0/8"]
        {
            assert_eq!(text.parse::<SourceAddresses>(), Err(CertificateError::Networks), "{text}");
        }
        let text = "10.0.0.1/8".parse::<SourceAddresses>().unwrap_err().to_string();
        assert_eq!(text, "`10.0.0.1/8` has bits behind its prefix: `10.0.0.0/8` is the network");
        let many = vec!["10.0.0.0/8"; MOST_NETWORKS + 1].join(",");
        assert_eq!(many.parse::<SourceAddresses>(), Err(CertificateError::Networks));
    }

    #[test]
    fn a_time_is_between_a_second_and_a_year() {
        assert_eq!("5m".parse::<Ttl>().unwrap().duration(), Duration::from_mins(5));
        for text in ["", "5", "0s", "999ms", "2years", "-5m"] {
            assert_eq!(text.parse::<Ttl>(), Err(CertificateError::Ttl), "{text}");
        }
    }

    #[test]
    fn a_command_is_not_empty_and_has_no_nul() {
        assert_eq!("make 'a b'".parse::<ForcedCommand>().unwrap().as_str(), "make 'a b'");
        for text in ["", "a\0b", &"x".repeat(MAX_COMMAND + 1)] {
            assert_eq!(text.parse::<ForcedCommand>(), Err(CertificateError::Command));
        }
    }

    proptest! {
        #[test]
        fn networks_read_back_as_they_are_shown(text in "[0-9a-f:./,]{0,40}") {
            if let Ok(sources) = text.parse::<SourceAddresses>() {
                prop_assert_eq!(sources.to_string().parse::<SourceAddresses>().unwrap(), sources);
            }
        }
    }
}
