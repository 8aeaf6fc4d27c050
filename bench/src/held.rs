//! A login name over a connection that is there already: connecting and logging in are no part of what is measured.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::process::Running;
use crate::target::Target;

/// A connection that is held, and shared by whatever runs over it.
pub(crate) struct Held {
    target: Target,
    socket: PathBuf,
    _connection: Running,
}

impl Held {
    /// Connects, with the control socket at a path that no other connection has now.
    pub(crate) fn connect(target: Target, socket: PathBuf) -> anyhow::Result<Self> {
        // An earlier one leaves its socket behind, and nobody shares beside one that is there.
        drop(std::fs::remove_file(&socket));
        let connection = target.hold(&["-M", "-S", &socket.to_string_lossy()])?;
        Ok(Self { target, socket, _connection: connection })
    }

    /// `ssh LOGIN@ADDRESS WORDS`.
    pub(crate) fn ssh(&self, words: &[&str]) -> Command {
        let mut command = self.program("ssh");
        command.arg(self.target.destination()).args(words);
        command
    }

    /// `sftp -b BATCH LOGIN@ADDRESS`.
    pub(crate) fn sftp(&self, batch: &OsStr) -> Command {
        let mut command = self.program("sftp");
        command.arg("-b").arg(batch).arg(self.target.destination());
        command
    }

    /// `scp FROM TO`.
    pub(crate) fn scp(&self, from: &OsStr, to: &OsStr) -> Command {
        let mut command = self.program("scp");
        command.args([from, to]);
        command
    }

    /// `rsync -a FROM LOGIN@ADDRESS:TO`.
    pub(crate) fn rsync(&self, from: &OsStr, to: &str) -> Command {
        let ssh = self.program("ssh");
        let words = [ssh.get_program()].into_iter().chain(ssh.get_args());
        let line = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
        let mut command = Command::new("rsync");
        command.args(["-a", "-e", &line]).arg(from).arg(self.place(to));
        command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// A path over there, as `scp` and `rsync` are told of it.
    pub(crate) fn place(&self, path: &str) -> String {
        format!("{}:{path}", self.target.destination())
    }

    fn program(&self, program: &str) -> Command {
        let mut command = self.target.client(program);
        command.args(["-o", "ControlMaster=no", "-o"]);
        command.arg(format!("ControlPath={}", self.socket.display()));
        command
    }
}
