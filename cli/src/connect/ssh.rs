//! The local `ssh`, with the pinned host key and the session's key, so that everything a person knows of ssh holds.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use spaces_protocol::failure::{Code, Failure};

use crate::address::Address;
use crate::session::Session;
use crate::settings::Settings;

/// The name under which the host key is pinned, whatever the gateway's address is today.
pub(crate) const HOST_KEY_ALIAS: &str = "spaces-gateway";

/// Whether `ssh` asks for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    Wanted,
    None,
}

/// How the local `ssh` reaches the gateway.
pub(crate) struct Way {
    pub(crate) ssh: PathBuf,
    pub(crate) identity: PathBuf,
    pub(crate) known_hosts: PathBuf,
    pub(crate) address: Address,
}

impl Way {
    /// As this session has it.
    pub(crate) fn of(settings: &Settings, session: &Session) -> Result<Self, Failure> {
        Ok(Self {
            ssh: settings.ssh().to_owned(),
            identity: session.identity.clone(),
            known_hosts: session.known_hosts(settings.session_file())?,
            address: settings.gateway(None).unwrap_or_else(|_none| session.gateway.clone()),
        })
    }

    /// `ssh LOGIN@gateway`, before any words.
    pub(crate) fn command(&self, login: &str, terminal: Terminal) -> Command {
        let option = |name: &str, value: &OsStr| {
            let mut option = OsString::from(name);
            option.push("=");
            // ssh reads options as a configuration line, where a blank would end the value.
            option.push("\"");
            option.push(value);
            option.push("\"");
            option
        };
        let mut command = Command::new(&self.ssh);
        // The person's own configuration is for the person's own hosts.
        command.args(["-F", "none", "-p", &self.address.port().to_string(), "-l", login]);
        command.arg("-i").arg(&self.identity);
        command.arg("-o").arg(option("UserKnownHostsFile", self.known_hosts.as_os_str()));
        for setting in [
            "IdentitiesOnly=yes",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "PreferredAuthentications=publickey",
            "LogLevel=ERROR",
            "SendEnv=LANG LC_* COLORTERM NO_COLOR",
            "ServerAliveInterval=30",
        ] {
            command.arg("-o").arg(setting);
        }
        command.arg("-o").arg(option("HostKeyAlias", OsStr::new(HOST_KEY_ALIAS)));
        if terminal == Terminal::Wanted {
            command.arg("-t");
        }
        command.arg(self.address.host());
        command
    }

    /// Why there is no `ssh` to run.
    pub(crate) fn cannot_run(&self, error: &std::io::Error) -> Failure {
        Failure::new(Code::Refused, format!("cannot run {}: {error}", self.ssh.display()))
            .hint("install OpenSSH's client, or name one in SPACES_SSH_BIN")
    }
}
