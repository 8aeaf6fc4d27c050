//! Files into a Space and out of it, with the programs that people have: sftp, scp in both protocols, rsync, git,
//! tar, `psftp`. What a Space's image brings along does not matter.

mod clients;
mod hostile;
mod sftp;

use std::path::PathBuf;
use std::process::Command;

use spaces_tests::{Output, Person, Platform, run};

/// A platform, a person with the Space `room`, and a folder on the client's side.
struct Setting {
    platform: Platform,
    person: Person,
    folder: PathBuf,
}

impl Setting {
    fn new() -> Self {
        let platform = Platform::start();
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

    /// `sftp` with these lines, in the client's folder; the first that fails ends it.
    fn sftp(&self, lines: &str) -> Output {
        let mut command = self.person.files_command("sftp");
        command.args(["-q", "-b", "-", "room@127.0.0.1"]).current_dir(&self.folder);
        run(&mut command, lines.as_bytes())
    }

    fn scp(&self, words: &[&str]) -> Output {
        run(self.person.files_command("scp").arg("-q").args(words).current_dir(&self.folder), b"")
    }

    /// A line for the client's shell, in its folder, with `$SSH` as the way to the gateway.
    fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "100", "sh", "-euc", line]).current_dir(&self.folder);
        command.env("SSH", self.person.ssh_line()).env("GIT_SSH_COMMAND", self.person.ssh_line());
        run(&mut command, b"")
    }
}
