//! Where the stock `ssh` goes, and how: the same way to both sides.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::process::Running;

/// What both sides offer; the client's order decides.
const ALGORITHMS: [&str; 3] =
    ["KexAlgorithms=curve25519-sha256", "Ciphers=aes128-gcm@openssh.com", "HostKeyAlgorithms=ssh-ed25519"];

/// What a held connection prints once it is authenticated.
const HELD: &str = "held";

/// A login name at an SSH server.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) login: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) key: PathBuf,
    pub(crate) known_hosts: PathBuf,
}

impl Target {
    /// `ssh OPTIONS LOGIN@ADDRESS WORDS`, with nothing to read and its output thrown away.
    pub(crate) fn ssh(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = self.client("ssh");
        command.args(options).arg(self.destination()).args(words);
        command
    }

    /// `ssh`, `sftp` or `scp` with the options that all of them take, before where it goes.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-F", "none", "-o", &format!("Port={}", self.port), "-i"]).arg(&self.key);
        for option in ALGORITHMS.iter().chain(&[
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        ]) {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.known_hosts.display()));
        command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// `LOGIN@ADDRESS`.
    pub(crate) fn destination(&self) -> String {
        format!("{}@{}", self.login, self.address)
    }

    /// An authenticated connection that does nothing. Comes back once it is there.
    pub(crate) fn hold(&self, options: &[&str]) -> anyhow::Result<Running> {
        let announce = format!("LocalCommand=echo {HELD}");
        let own = ["-N", "-o", "PermitLocalCommand=yes", "-o", &announce];
        let mut command = self.ssh(&[&own, options].concat(), &[]);
        let mut held = Running(command.stdout(Stdio::piped()).spawn().context("cannot run ssh")?);
        let mut line = String::new();
        // Closed afterwards: it writes nothing more, and a thousand pipes are a thousand open files.
        let stdout = held.0.stdout.take().context("its output is piped")?;
        BufReader::new(stdout).read_line(&mut line).context("a held connection")?;
        anyhow::ensure!(line.trim_end() == HELD, "{} cannot be held", self.destination());
        Ok(held)
    }
}
