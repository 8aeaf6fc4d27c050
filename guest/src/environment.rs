//! The variables of a login. Pure.
//!
//! Lowest to highest: the image's own (its ENV lines), what a login sets, what a terminal sets, what the client
//! asked for.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::account::Account;

const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/games";
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the engine sets where the image has no PATH: nobody's wish, so a login's own PATH comes before it.
const ENGINE_PATH: &str = ROOT_PATH;

/// Facts of process 1 itself that would be false in a login.
const OF_PROCESS_ONE: [&str; 6] = ["PWD", "OLDPWD", "SHLVL", "_", "TERM", "SSH_TTY"];

/// A terminal's part of the environment.
pub(crate) struct TerminalNames<'a> {
    /// The client's TERM.
    pub(crate) term: &'a str,
    /// The terminal's path.
    pub(crate) path: &'a str,
}

/// Every variable of a program.
pub(crate) fn of_login(
    image: &[(OsString, OsString)],
    account: &Account,
    terminal: Option<&TerminalNames<'_>>,
    requested: &[(String, String)],
) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> = image
        .iter()
        .filter(|(name, _)| !OF_PROCESS_ONE.iter().any(|own| name == own))
        .filter(|(name, value)| !(name == "PATH" && value == ENGINE_PATH))
        .cloned()
        .collect();
    let path = if account.uid == 0 { ROOT_PATH } else { USER_PATH };
    variables.entry("PATH".into()).or_insert_with(|| path.into());
    variables.insert("HOME".into(), account.home.clone().into());
    variables.insert("USER".into(), account.name.clone().into());
    variables.insert("LOGNAME".into(), account.name.clone().into());
    variables.insert("SHELL".into(), account.shell.clone().into());
    if let Some(terminal) = terminal {
        if !terminal.term.is_empty() {
            variables.insert("TERM".into(), terminal.term.into());
        }
        variables.insert("SSH_TTY".into(), terminal.path.into());
    }
    variables.extend(requested.iter().map(|(name, value)| (name.into(), value.into())));
    variables.retain(|name, value| can_be_set(name, value));
    variables
}

/// A name or value that exec(3) cannot carry is left out, as setenv(3) would refuse it.
fn can_be_set(name: &OsStr, value: &OsStr) -> bool {
    let name = name.as_bytes();
    !name.is_empty() && !name.contains(&b'=') && !name.contains(&0) && !value.as_bytes().contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32) -> Account {
        Account {
            name: "space".to_owned(),
            uid,
            gid: uid,
            groups: vec![uid],
            terminal_group: None,
            home: "/home/space".into(),
            shell: "/bin/bash".into(),
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn image(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        list.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn text(variables: &BTreeMap<OsString, OsString>) -> Vec<String> {
        variables.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect()
    }

    #[test]
    fn a_login_sets_what_sshd_sets_on_top_of_the_image() {
        let image =
            image(&[("LANG", "C.UTF-8"), ("HOME", "/root"), ("PATH", ENGINE_PATH), ("TERM", "xterm")]);
        let expected = [
            "HOME=/home/space",
            "LANG=C.UTF-8",
            "LOGNAME=space",
            "PATH=/usr/local/bin:/usr/bin:/bin:/usr/games",
            "SHELL=/bin/bash",
            "USER=space",
        ];
        assert_eq!(text(&of_login(&image, &account(1000), None, &[])), expected);
    }

    #[test]
    fn the_images_path_is_kept_and_the_client_has_the_last_word() {
        let image = image(&[("PATH", "/opt/bin:/bin"), ("LANG", "C")]);
        let names = TerminalNames { term: "xterm-256color", path: "/dev/pts/3" };
        let requested = pairs(&[("LANG", "de_DE.UTF-8"), ("A=B", "x"), ("", "x"), ("NUL", "a\0b")]);
        let expected = [
            "HOME=/home/space",
            "LANG=de_DE.UTF-8",
            "LOGNAME=space",
            "PATH=/opt/bin:/bin",
            "SHELL=/bin/bash",
            "SSH_TTY=/dev/pts/3",
            "TERM=xterm-256color",
            "USER=space",
        ];
        assert_eq!(text(&of_login(&image, &account(1000), Some(&names), &requested)), expected);
    }

    #[test]
    fn root_gets_the_system_folders_in_its_path() {
        let variables = of_login(&[], &account(0), None, &[]);
        assert_eq!(variables.get(OsStr::new("PATH")), Some(&OsString::from(ROOT_PATH)));
    }
}
