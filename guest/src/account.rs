//! Whom a program runs as: a name of the Space's own passwd, or its root.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::read_at_most;
use crate::passwd;
use crate::reason;

/// Most that is read of either file; the largest directories with local accounts are far below.
const MAX_FILE: u64 = 1024 * 1024;

const DEFAULT_SHELL: &str = "/bin/sh";

/// A user, with all that a login needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Login name.
    pub(crate) name: String,
    /// User id.
    pub(crate) uid: u32,
    /// Primary group id.
    pub(crate) gid: u32,
    /// All groups, the primary one included.
    pub(crate) groups: Vec<u32>,
    /// The group that owns terminals, if the image has one.
    pub(crate) terminal_group: Option<u32>,
    /// Home folder; may not exist.
    pub(crate) home: PathBuf,
    /// Login shell; never empty.
    pub(crate) shell: PathBuf,
}

/// A file of accounts that is there but cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`: {}", reason::of(source))]
pub(crate) struct AccountError {
    path: &'static str,
    source: io::Error,
}

/// Finds a user in this Space.
pub(crate) fn look_up(user: &str) -> Result<Account, AccountError> {
    let passwd = read("/etc/passwd")?;
    let group = read("/etc/group")?;
    Ok(resolve(&passwd, &group, user, Path::new("/root").is_dir()))
}

/// An image without these files is one without users: it has root alone.
fn read(path: &'static str) -> Result<Vec<u8>, AccountError> {
    match read_at_most(Path::new(path), MAX_FILE) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(|source| AccountError { path, source }),
    }
}

fn resolve(passwd: &[u8], group: &[u8], user: &str, has_root_home: bool) -> Account {
    let root = || {
        let home = if has_root_home { "/root" } else { "/" }.into();
        ("root", passwd::Entry { uid: 0, gid: 0, home, shell: PathBuf::new() })
    };
    let (name, entry) = passwd::find_user(passwd, user).map_or_else(root, |entry| (user, entry));
    let shell = if entry.shell.as_os_str().is_empty() { DEFAULT_SHELL.into() } else { entry.shell };
    Account {
        name: name.to_owned(),
        uid: entry.uid,
        gid: entry.gid,
        groups: passwd::groups_of(group, name, entry.gid),
        terminal_group: passwd::find_group(group, "tty"),
        home: entry.home,
        shell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_the_user_runs_programs_as_root() {
        let expected = Account {
            name: "root".to_owned(),
            uid: 0,
            gid: 0,
            groups: vec![0],
            terminal_group: None,
            home: "/root".into(),
            shell: "/bin/sh".into(),
        };
        assert_eq!(resolve(b"", b"", "space", true), expected);
        assert_eq!(resolve(b"", b"", "space", false), Account { home: "/".into(), ..expected });
    }

    #[test]
    fn a_user_keeps_what_passwd_says_and_an_empty_shell_is_sh() {
        let account = resolve(b"space:x:5:6::/home/space:\n", b"tty:x:4:\nx:x:9:space\n", "space", true);
        let expected = Account {
            name: "space".to_owned(),
            uid: 5,
            gid: 6,
            groups: vec![6, 9],
            terminal_group: Some(4),
            home: "/home/space".into(),
            shell: "/bin/sh".into(),
        };
        assert_eq!(account, expected);
    }
}
