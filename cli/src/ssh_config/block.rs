//! The text of the configuration. Pure.

use std::fmt::Write as _;
use std::path::Path;

use spaces_protocol::failure::{Code, Failure};

use super::Entry;
use crate::connect::{HOST_KEY_ALIAS, Way};
use crate::session::Session;

/// What the names of Spaces end with.
pub(super) const SUFFIX: &str = "spaces";

/// The first words of a configuration that we wrote.
pub(super) const TITLE: &str = "# Written by `spaces ssh-config`: changes are lost.";

/// A configuration to be written.
pub(super) struct Block<'a> {
    title: String,
    way: &'a Way,
    host: String,
    entries: &'a [Entry],
}

impl<'a> Block<'a> {
    /// The Spaces of this session.
    pub(super) fn of(way: &'a Way, session: &Session, entries: &'a [Entry]) -> Self {
        let title = format!("{TITLE}\n# Spaces of {} at {}\n", session.email, session.gateway);
        Self { title, way, host: way.address.host().to_owned(), entries }
    }

    /// The same, with the gateway at another host.
    pub(super) fn at(self, host: String) -> Self {
        Self { host, ..self }
    }

    /// The text, unless a value cannot stand in it.
    pub(super) fn render(&self) -> Result<String, Failure> {
        let mut text = self.title.clone();
        let mut line = |line: std::fmt::Arguments<'_>| {
            // A `String` takes whatever is written to it.
            writeln!(text, "{line}").ok();
        };
        let same_name = |entry: &Entry| self.entries.iter().filter(|other| other.name == entry.name).count();
        for entry in self.entries {
            // By id: a name can come to mean another Space. One that has several does not stand here.
            let name =
                if same_name(entry) == 1 { format!(" {}.{SUFFIX}", entry.name) } else { String::new() };
            line(format_args!("\nHost {}.{SUFFIX}{name}\n    User {}", entry.id, entry.id));
        }
        line(format_args!("\nHost {SUFFIX}\n    User spaces"));
        line(format_args!("\nHost {SUFFIX} *.{SUFFIX}"));
        let (identity, known_hosts) = (path(&self.way.identity)?, path(&self.way.known_hosts)?);
        line(format_args!("    HostName {}\n    Port {}", plain(&self.host)?, self.way.address.port()));
        line(format_args!("    HostKeyAlias {HOST_KEY_ALIAS}\n    UserKnownHostsFile {known_hosts}"));
        line(format_args!("    GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes"));
        line(format_args!("    IdentityFile {identity}\n    IdentitiesOnly yes"));
        line(format_args!(
            "    ControlMaster auto\n    ControlPath ~/.ssh/spaces-%C\n    ControlPersist 10m"
        ));
        line(format_args!("    ServerAliveInterval 30\n    SendEnv LANG LC_* COLORTERM NO_COLOR"));
        Ok(text)
    }
}

/// A value that `ssh` reads as it stands.
fn plain(value: &str) -> Result<&str, Failure> {
    let odd =
        |character: char| character.is_whitespace() || character.is_control() || "\"#'\\".contains(character);
    if value.is_empty() || value.starts_with('-') || value.contains(odd) {
        return Err(Failure::new(
            Code::Usage,
            format!("`{}` cannot stand in a configuration of ssh", value.escape_debug()),
        )
        .hint("no white space, control characters, quotes, backslashes or `#`, and no dash at the start"));
    }
    Ok(value)
}

/// A path, in which `ssh` would take percent signs for its own.
fn path(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or_else(|| {
        Failure::new(Code::Usage, format!("the path {} is not valid UTF-8", path.display()))
    })?;
    Ok(plain(text)?.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way() -> Way {
        Way {
            ssh: "ssh".into(),
            identity: "/home/alice/100%/id".into(),
            known_hosts: "/home/alice/known_hosts".into(),
            address: "ssh://gateway.example.com:2222".parse().unwrap(),
        }
    }

    fn session() -> Session {
        serde_json::from_value(serde_json::json!({
            "gateway": "ssh://gateway.example.com:2222", "email": "alice@example.com", "host_key": "", "identity": "/x",
        }))
        .unwrap()
    }

    fn entry(id: &str, name: &str) -> Entry {
        Entry { id: id.parse().unwrap(), name: name.parse().unwrap() }
    }

    #[test]
    fn every_space_has_a_host_by_id_and_by_a_name_that_is_its_own() {
        let entries = [entry("sp_1", "room"), entry("sp_2", "shared"), entry("sp_3", "shared")];
        let text = Block::of(&way(), &session(), &entries).render().unwrap();
        assert!(text.contains("Host sp_1.spaces room.spaces\n    User sp_1\n"), "{text}");
        assert!(text.contains("Host sp_2.spaces\n    User sp_2\n"), "{text}");
        assert!(text.contains("IdentityFile /home/alice/100%%/id\n"), "{text}");
    }

    #[test]
    fn a_value_that_would_be_read_as_something_else_is_refused() {
        let long = ["a b", "a\tb", "a\nHost *", "", "-oProxyCommand=x", "a\"b", "a\u{85}b", "a#b", "a\\b"];
        for value in long {
            let way = Way { identity: value.into(), ..way() };
            assert!(Block::of(&way, &session(), &[]).render().is_err(), "{value:?}");
            let way = self::way();
            assert!(Block::of(&way, &session(), &[]).at(value.to_owned()).render().is_err(), "{value:?}");
        }
    }
}
