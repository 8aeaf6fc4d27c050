//! Whom root of a machine is on this host, where the engine maps users. A plain value.

use std::fmt;
use std::str::FromStr;

/// The first of the users and groups that the engine's `userns-remap` gives to machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedRoot {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Not a user and a group of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a user and a group by number, such as 100000:100000")]
pub struct NotMappedRoot;

impl FromStr for MappedRoot {
    type Err = NotMappedRoot;

    fn from_str(text: &str) -> Result<Self, NotMappedRoot> {
        let (uid, gid) = text.split_once(':').ok_or(NotMappedRoot)?;
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0).ok_or(NotMappedRoot);
        Ok(Self { uid: number(uid)?, gid: number(gid)? })
    }
}

impl fmt::Display for MappedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_shown_and_is_nobody_who_rules_here() {
        assert_eq!("100000:65536".parse::<MappedRoot>().unwrap().to_string(), "100000:65536");
        for text in ["", "100000", "0:0", "1:0", "a:b", "-1:5", "1:2:3"] {
            assert_eq!(text.parse::<MappedRoot>(), Err(NotMappedRoot), "{text}");
        }
    }
}
