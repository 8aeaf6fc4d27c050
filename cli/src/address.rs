//! Where a gateway is: `ssh://HOST[:PORT]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A gateway's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Address {
    host: String,
    port: u16,
}

/// It is not of that form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a gateway's address is written ssh://HOST or ssh://HOST:PORT")]
pub(crate) struct AddressError;

impl Address {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix("ssh://").ok_or(AddressError)?.trim_end_matches('/');
        let rest = rest.strip_prefix("spaces@").unwrap_or(rest);
        // Brackets hold the colons of an IPv6 address together.
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or(AddressError)?)),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(22), |port| port.parse().map_err(|_malformed| AddressError))?;
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        // A host that begins with a dash would be an option to the local ssh.
        if host.is_empty() || host.starts_with('-') || !host.bytes().all(named) || port == 0 {
            return Err(AddressError);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "ssh://{open}{}{close}", self.host)?;
        if self.port == 22 { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_and_prints_alike() {
        for text in ["ssh://host", "ssh://127.0.0.1:2222", "ssh://[::1]:2222", "ssh://[fe80::1]"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("ssh://spaces@host/".parse::<Address>().unwrap().to_string(), "ssh://host");
    }

    #[test]
    fn what_the_local_ssh_could_misread_is_refused() {
        for text in
            ["host", "ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://h:0", "ssh://h:x", "ssh://[::1"]
        {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }
}
