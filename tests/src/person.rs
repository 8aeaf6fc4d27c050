//! Somebody with an SSH key pair and a home of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::{Output, run, timeout_command};
use crate::platform::{Platform, bin, repository};

/// Longest that any one command of a test may take.
const DEADLINE: u32 = 90;

/// A person: an e-mail, a folder, and an SSH key in it.
pub struct Person {
    /// Who.
    pub email: String,
    /// Home: `id` and `id.pub` are the key pair.
    pub home: PathBuf,
    port: u16,
    known_hosts: PathBuf,
}

impl Person {
    pub(crate) fn new(platform: &Platform, email: &str) -> Self {
        let home = platform.folder().join("people").join(format!("{email}-{}", platform.next_number()));
        std::fs::create_dir_all(&home).expect("a home");
        let key = home.join("id");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f"])
            .arg(&key)
            .status();
        assert!(made.expect("ssh-keygen runs").success());
        Self { email: email.to_owned(), home, port: platform.port(), known_hosts: platform.known_hosts() }
    }

    /// The same person with the same key and home, on the way to another server.
    pub(crate) fn at(&self, port: u16, known_hosts: PathBuf) -> Self {
        Self { email: self.email.clone(), home: self.home.clone(), port, known_hosts }
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The private key.
    pub fn key(&self) -> PathBuf {
        self.home.join("id")
    }

    /// The stock `ssh`, with this person's key and the gateway's host key pinned, before any login name.
    pub fn ssh_command(&self) -> Command {
        self.ssh_arguments(timeout_command("ssh", DEADLINE))
    }

    /// The same without a deadline: `timeout` would take a terminal away, and keep a SIGKILL to itself.
    pub fn ssh_without_deadline(&self) -> Command {
        self.ssh_arguments(Command::new("ssh"))
    }

    /// `sftp` or `scp`, which take most of ssh's options.
    pub fn files_command(&self, program: &str) -> Command {
        self.ssh_arguments(timeout_command(program, DEADLINE))
    }

    /// `ssh` and its options as one line, for programs that run it themselves.
    pub fn ssh_line(&self) -> String {
        let command = self.ssh_without_deadline();
        let words = [command.get_program()].into_iter().chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// A script that uses paramiko, by Debian's own Python: another one in front of it has no paramiko. It finds the way
    /// to this login name among its arguments, as tests/clients/paramiko/way.py reads them.
    pub fn paramiko_command(&self, login: &str, script: &Path) -> Command {
        let mut command = timeout_command("/usr/bin/python3", 200);
        command.arg("-B").arg(script).arg(self.port.to_string()).arg(login).arg(self.key());
        command.arg(&self.known_hosts).env("PYTHONPATH", repository().join("tests/clients/paramiko"));
        command.env_remove("SSH_AUTH_SOCK");
        command
    }

    fn ssh_arguments(&self, mut command: Command) -> Command {
        command.args(["-F", "none", "-o", &format!("Port={}", self.port), "-i"]).arg(self.key());
        for option in [
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        ] {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.known_hosts.display()));
        command.env_remove("SSH_AUTH_SOCK");
        command
    }

    /// `ssh LOGIN@gateway WORDS`, never asking for anything.
    #[track_caller]
    pub fn ssh(&self, login: &str, words: &[&str]) -> Output {
        self.ssh_with(&[], login, words, b"")
    }

    /// The same with options of ssh's own and standard input.
    #[track_caller]
    pub fn ssh_with(&self, options: &[&str], login: &str, words: &[&str], input: &[u8]) -> Output {
        let mut command = self.ssh_command();
        command.args(["-o", "BatchMode=yes"]).args(options).arg(format!("{login}@127.0.0.1")).args(words);
        run(&mut command, input)
    }

    /// `ssh spaces@gateway WORDS` by somebody whose key is not registered, answering the prompts.
    #[track_caller]
    pub fn ssh_answering(&self, auth_key: &str, words: &[&str]) -> Output {
        let mut command = self.ssh_command();
        self.answer_prompts(&mut command, &self.email, auth_key);
        run(command.arg("spaces@127.0.0.1").args(words), b"")
    }

    /// What a person reads who answers the prompts with this, until `ssh` gives up.
    #[track_caller]
    pub fn prompts_tell(&self, options: &[&str], email: &str, auth_key: &str) -> String {
        let mut command = self.ssh_command();
        // Wins over the level that was set before; what it has to say of itself is left out below.
        command.arg("-v").args(options);
        self.answer_prompts(&mut command, email, auth_key);
        let output = run(command.arg("spaces@127.0.0.1").arg("login"), b"");
        assert_eq!((output.status, output.stdout.as_str()), (255, ""), "{}", output.stderr);
        let of_itself = ["debug1:", "OpenSSH_", "Transferred:", "Bytes per second:", "Authenticated "];
        let lines = output.stderr.lines().map(str::trim_end).filter(|line| !line.is_empty());
        lines
            .filter(|line| !of_itself.iter().any(|start| line.starts_with(start)))
            .fold(String::new(), |told, line| told + line + "\n")
    }

    fn answer_prompts(&self, command: &mut Command, email: &str, auth_key: &str) {
        let answers = self.home.join("askpass");
        let key_file = self.private_file("auth.key", auth_key);
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in *e-mail*) echo '{email}';; *) cat '{}';; esac\n",
            key_file.display()
        );
        std::fs::write(&answers, script).expect("a script");
        let made = Command::new("chmod").arg("+x").arg(&answers).status().expect("chmod runs");
        assert!(made.success());
        command.env("SSH_ASKPASS", &answers).env("SSH_ASKPASS_REQUIRE", "force");
    }

    /// The `spaces` program in a home of this person's.
    pub fn spaces_command(&self) -> Command {
        let mut command = timeout_command(bin("spaces"), DEADLINE);
        command
            .env("SPACES_BASE_URL", format!("ssh://127.0.0.1:{}", self.port))
            .env("SPACES_SESSION_FILE", self.session_file())
            .env_remove("SPACES_CONFIG_DIR");
        command
    }

    /// `spaces WORDS`, for a terminal of its own: without a deadline, and with nothing in the environment.
    pub fn spaces_on_terminal(&self, words: &[&str]) -> Command {
        let mut command = Command::new(bin("spaces"));
        command.arg("--base-url").arg(format!("ssh://127.0.0.1:{}", self.port));
        command.arg("--session-file").arg(self.session_file()).args(words);
        command
    }

    /// `ssh -t spaces@gateway WORDS`, for a terminal of its own.
    pub fn console_on_terminal(&self, words: &[&str]) -> Command {
        let mut command = self.ssh_without_deadline();
        command.args(["-t", "spaces@127.0.0.1"]).args(words);
        command
    }

    /// Logs `spaces` in with this person's own key.
    #[track_caller]
    pub fn log_in(&self, auth_key: &str) {
        let key = self.private_file("auth.key", auth_key).display().to_string();
        let identity = self.key().display().to_string();
        self.spaces(&["login", &self.email, "--key-file", &key, "--identity", &identity]).ok();
    }

    /// `spaces WORDS`.
    #[track_caller]
    pub fn spaces(&self, words: &[&str]) -> Output {
        self.spaces_with(words, b"")
    }

    /// `spaces WORDS` with standard input.
    #[track_caller]
    pub fn spaces_with(&self, words: &[&str], input: &[u8]) -> Output {
        run(self.spaces_command().args(words), input)
    }

    /// Where `spaces` keeps this person's session.
    pub fn session_file(&self) -> PathBuf {
        self.home.join("session.json")
    }

    /// A file with this text that its owner alone can read.
    pub fn private_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.join(name);
        write_private(&path, text);
        path
    }
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
}
