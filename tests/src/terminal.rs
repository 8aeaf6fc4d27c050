//! A real terminal with a program in it: tmux, with a server of its own.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wait::eventually;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The terminal; gone with everything in it when dropped.
pub struct Terminal {
    name: String,
    folder: tempfile::TempDir,
}

impl Terminal {
    /// Runs a command in a terminal of this size; when it has ended, a line says `ended with` its exit status. It
    /// must not be under `timeout`, which takes the terminal away.
    #[track_caller]
    pub fn run(command: &Command, columns: u32, rows: u32) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("spaces-tmux-").tempdir().expect("a folder");
        let terminal = Self { name: format!("spaces-test-{}-{number}", std::process::id()), folder };
        let settings =
            "set -g status off\nset -g history-limit 20000\nset -g default-terminal tmux-256color\n";
        std::fs::write(terminal.folder.path().join("settings"), settings).expect("a file");
        let mut start = terminal.tmux();
        start.args(["new-session", "-d", "-x", &columns.to_string(), "-y", &rows.to_string(), "--"]);
        // Not tmux's own word on the exit status, which it loses at times.
        start.args(["sh", "-c", "\"$0\" \"$@\"; echo ended with $?; exec tail -f /dev/null"]);
        start.arg(command.get_program()).args(command.get_args());
        assert!(start.status().expect("tmux runs").success(), "no terminal");
        terminal
    }

    /// Changes its size.
    pub fn resize(&self, columns: u32, rows: u32) {
        self.tell(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Types a line.
    pub fn line(&self, text: &str) {
        self.tell(&["send-keys", "-l", text]);
        self.key("Enter");
    }

    /// Presses a key, by tmux's name for it.
    pub fn key(&self, name: &str) {
        self.tell(&["send-keys", name]);
    }

    /// Waits until a line of the screen is this; gives the screen.
    #[track_caller]
    pub fn wait_for_line(&self, line: &str) -> String {
        eventually(|| self.screen(), |screen| screen.lines().any(|shown| shown == line))
    }

    /// What it shows, without what is off its upper end.
    pub fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// What it shows and what is off its upper end.
    pub fn history(&self) -> String {
        self.ask(&["capture-pane", "-p", "-S", "-"])
    }

    fn tell(&self, words: &[&str]) {
        assert!(self.tmux().args(words).status().expect("tmux runs").success(), "tmux refuses {words:?}");
    }

    fn ask(&self, words: &[&str]) -> String {
        let output = self.tmux().args(words).stderr(Stdio::inherit()).output().expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-u", "-L", &self.name, "-f"]).arg(self.folder.path().join("settings"));
        command.env_remove("TMUX").env_remove("SSH_AUTH_SOCK").env("TERM", "xterm").stdin(Stdio::null());
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.tmux().arg("kill-server").output());
    }
}
