//! Where the programs of a held terminal find an SSH agent: a link to wherever the client that is there now lends one.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::identity::as_user;
use crate::listener::private_folder;

/// A link, in a folder that nobody but the user can enter; gone with the session.
pub(crate) struct AgentLink {
    account: Account,
    folder: PathBuf,
}

impl AgentLink {
    /// Makes a link to this socket.
    pub(crate) fn make(account: Account, target: &str) -> io::Result<Self> {
        let folder = as_user(&account, private_folder)?;
        let link = Self { account, folder };
        link.lead_to(target)?;
        Ok(link)
    }

    /// What programs are told.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("agent")
    }

    /// Leads to another socket from now on.
    pub(crate) fn lead_to(&self, target: &str) -> io::Result<()> {
        let mut fresh = OsString::from(self.path());
        fresh.push(".new");
        as_user(&self.account, || {
            symlink(Path::new(target), &fresh)?;
            std::fs::rename(&fresh, self.path())
        })
    }
}

impl Drop for AgentLink {
    fn drop(&mut self) {
        // What is gone already needs no removing.
        drop(as_user(&self.account, || {
            std::fs::remove_file(self.path())?;
            std::fs::remove_dir(&self.folder)
        }));
    }
}
