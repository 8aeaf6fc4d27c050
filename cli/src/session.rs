//! The session file: where a person logged in, as whom, and with which key. It holds no secret itself, but it
//! names the key, so nobody else may read or change it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{Email, SpaceReference};

use crate::address::Address;
use crate::files;

/// A login that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Where.
    pub(crate) gateway: Address,
    /// As whom.
    pub(crate) email: Email,
    /// The gateway's host key, pinned: one line as in a public key file.
    pub(crate) host_key: String,
    /// The private key.
    pub(crate) identity: PathBuf,
    /// What `connect` enters when it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default_space: Option<SpaceReference>,
}

impl Session {
    /// Reads the file; `None` where there is none.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, Failure> {
        let show = path.display();
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::new(
                    Code::Refused,
                    format!("cannot read the session file {show}: {error}"),
                ));
            }
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Failure::new(Code::Refused, format!("others can read the session file {show}"))
                .hint(format!("`chmod 600 {show}`, if you trust what it holds")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Code::Refused, format!("cannot read the session file {show}: {error}"))
        })?;
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Failure::new(Code::Refused, format!("the session file {show} is damaged: {error}"))
                .hint("`spaces login EMAIL` writes a new one")
        })
    }

    /// Writes the file as a whole or not at all.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Failure::new(Code::Internal, format!("the session cannot be written: {error}"))
        })?;
        files::write_private(path, format!("{text}\n").as_bytes())
    }

    /// The file that tells the local ssh of the host key; written anew where it is not as it should be.
    pub(crate) fn known_hosts(&self, session_file: &Path) -> Result<PathBuf, Failure> {
        let path = session_file.with_extension("known_hosts");
        let line = format!("{} {}\n", crate::connect::HOST_KEY_ALIAS, self.host_key);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(line.as_str()) {
            files::write_private(&path, line.as_bytes())?;
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            gateway: "ssh://127.0.0.1:2222".parse().unwrap(),
            email: "a@b.c".parse().unwrap(),
            host_key: "ssh-ed25519 AAAA".to_owned(),
            identity: PathBuf::from("/x/id"),
            default_space: None,
        }
    }

    #[test]
    fn a_session_is_saved_for_its_owner_alone_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/session.json");
        session().save(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Session::load(&path).unwrap(), Some(session()));
    }

    #[test]
    fn a_session_file_that_is_open_to_others_cut_short_or_absent_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.json");
        assert_eq!(Session::load(&path).unwrap(), None);
        session().save(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Session::load(&path).unwrap_err().message.starts_with("others can read"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, &std::fs::read(&path).unwrap()[..40]).unwrap();
        assert!(Session::load(&path).unwrap_err().message.contains("is damaged"));
    }
}
