//! Clients beside OpenSSH's own programs, and what editors and tools do with those: each takes a Space for a machine
//! that runs sshd.

mod ansible;
mod editors;
mod libraries;
mod mounts;
mod putty;

use std::path::{Path, PathBuf};
use std::process::Command;

use spaces_tests::{Output, Person, Platform, repository, run};

/// A platform, a person with the Space `room`, and a folder on the client's side.
struct Setting {
    platform: Platform,
    person: Person,
    folder: PathBuf,
}

impl Setting {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let platform = Platform::start_with(settings);
        let (person, _space) = platform.owner("alice@example.com", "room");
        let folder = platform.folder().join("client");
        std::fs::create_dir(&folder).expect("a folder");
        Self { platform, person, folder }
    }

    /// A command line in the Space.
    #[track_caller]
    fn inside(&self, line: &str) -> String {
        self.person.ssh("room", &[line]).ok()
    }

    /// A line for the client's shell, in its folder, with `$SSH` as the way to the gateway.
    fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "100", "bash", "-euc", line]).current_dir(&self.folder);
        command.env("SSH", self.person.ssh_line());
        run(&mut command, b"")
    }

    /// A script that uses paramiko, in the client's folder, on the way to the Space.
    fn paramiko(&self, script: &str, words: &[&str]) -> Output {
        paramiko(&self.person, "room", script, words, &self.folder)
    }
}

/// The same on the way to any server.
fn paramiko(person: &Person, login: &str, script: &str, words: &[&str], folder: &Path) -> Output {
    let script = repository().join("tests/clients/paramiko").join(script);
    run(person.paramiko_command(login, &script).args(words).current_dir(folder), b"")
}
