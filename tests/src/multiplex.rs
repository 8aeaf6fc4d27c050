//! One connection that many sessions share: OpenSSH's `ControlMaster`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::child::{Output, run};
use crate::person::Person;

/// A connection without a session of its own; closed when dropped.
pub struct Multiplex<'a> {
    person: &'a Person,
    socket: PathBuf,
    login: String,
}

impl<'a> Multiplex<'a> {
    /// Connects, with options of ssh's own.
    #[track_caller]
    pub fn connect(person: &'a Person, options: &[&str], login: &str) -> Self {
        let multiplex =
            Self { person, socket: person.home.join("master"), login: format!("{login}@127.0.0.1") };
        let mut command = person.ssh_command();
        // -f: it returns when the connection is there.
        command.args(["-o", "BatchMode=yes", "-M", "-N", "-f", "-S"]).arg(&multiplex.socket);
        command.args(options).arg(&multiplex.login).stdin(Stdio::null());
        assert!(command.status().expect("ssh runs").success(), "no connection");
        multiplex
    }

    /// `ssh WORDS` on this connection.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.person.ssh_command();
        // A session that cannot share must not make a connection of its own.
        command.args(["-o", "ProxyCommand=false", "-S"]).arg(&self.socket).arg(&self.login).args(words);
        command
    }

    /// `ssh -O WORD`, which tells the connection to do something.
    pub fn control(&self, word: &str, options: &[&str]) -> Command {
        let mut command = self.person.ssh_command();
        command.args(["-O", word, "-S"]).arg(&self.socket).args(options).arg(&self.login);
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn ssh(&self, words: &[&str]) -> Output {
        run(&mut self.command(words), b"")
    }
}

impl Drop for Multiplex<'_> {
    fn drop(&mut self) {
        let mut command = self.person.ssh_command();
        command.args(["-O", "exit", "-S"]).arg(&self.socket).arg(&self.login);
        drop(command.output());
    }
}
