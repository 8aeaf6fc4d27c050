//! A Docker Engine of the test's own, which may be stopped.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::child::timeout_command;
use crate::wait::eventually;

/// A dockerd in a network and mount namespace of its own, with an empty image. Beside the machine's engine it
/// shares nothing with it: neither bridges, nor rules of the firewall, nor mounts.
pub struct Engine {
    folder: TempDir,
    network: Network,
    process: Option<Child>,
}

/// Which network namespace an engine is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    /// A new one at each start.
    Own,
    /// That of the thread that starts it.
    Callers,
}

impl Engine {
    /// The name of the image that it has: nothing is in it, since a Space's guest comes from the host.
    pub const IMAGE: &str = "empty:latest";

    /// The base image, where it has that.
    pub const BASE: &str = "spaces-base:latest";

    /// Starts one, which needs root.
    #[track_caller]
    pub fn start() -> Self {
        let engine = Self::start_in(Network::Own);
        engine.import(Self::IMAGE);
        engine
    }

    /// Starts one in this thread's network, which must be one of the test's own, with the base image.
    #[track_caller]
    pub fn start_beside() -> Self {
        let engine = Self::start_in(Network::Callers);
        let mut save = timeout_command("docker", 120);
        let mut save = save.args(["save", Self::BASE]).stdout(Stdio::piped()).spawn().expect("docker runs");
        let image = save.stdout.take().expect("stdout is piped");
        let loaded = engine.docker().arg("load").stdin(image).stdout(Stdio::null()).status();
        assert!(loaded.expect("docker runs").success());
        assert!(save.wait().expect("it ends").success());
        engine
    }

    #[track_caller]
    fn start_in(network: Network) -> Self {
        // In memory where that can be had: an engine syncs a lot.
        let memory = PathBuf::from("/dev/shm");
        let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("spaces-engine-").tempdir_in(place).expect("a folder");
        let mut engine = Self { folder, network, process: None };
        // The machine's own configuration file is for the machine's own engine.
        std::fs::write(engine.path("daemon.json"), "{}").expect("a file");
        engine.start_again();
        engine
    }

    /// Starts it again on what it holds, and waits until it answers.
    #[track_caller]
    pub fn start_again(&mut self) {
        let log = std::fs::File::create(self.path("log")).expect("a log");
        let mut command = Command::new("unshare");
        match self.network {
            Network::Own => command.args(["--net", "--mount", "dockerd"]),
            Network::Callers => command.args(["--mount", "dockerd"]),
        };
        for (flag, name) in [
            ("--config-file", "daemon.json"),
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
        ] {
            command.arg(flag).arg(self.path(name));
        }
        command.arg("--host").arg(format!("unix://{}", self.socket().display()));
        // On a machine whose containerd is shared: names of its own there, too.
        command.args([
            "--containerd-namespace",
            "spaces-test",
            "--containerd-plugins-namespace",
            "spaces-test-plugins",
        ]);
        let process = command.stdout(Stdio::null()).stderr(log).spawn().expect("unshare runs");
        self.process = Some(process);
        eventually(
            || {
                let answer = self.docker().args(["version"]).output().expect("docker runs");
                let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
                (answer.status.success(), format!("a dockerd for tests needs root; it said:\n{log}"))
            },
            |(answers, _why_not)| *answers,
        );
    }

    /// Stops it in order, as a service manager does: its containers with it.
    #[track_caller]
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let told = Command::new("kill").arg(process.id().to_string()).status().expect("kill runs");
        assert!(told.success());
        process.wait().expect("it can be waited for");
    }

    /// Gives it an empty image of this name.
    #[track_caller]
    pub fn import(&self, image: &str) {
        let mut command = self.docker();
        command.args(["import", "-", image]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut import = command.spawn().expect("docker runs");
        // The end of an archive, and nothing before it.
        import.stdin.take().expect("stdin is piped").write_all(&[0; 1024]).expect("it reads");
        assert!(import.wait().expect("it ends").success());
    }

    /// `docker`, speaking to this engine.
    pub fn docker(&self) -> Command {
        let mut command = timeout_command("docker", 60);
        command.env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        command
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.path("docker.sock")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(Command::new("kill").arg(process.id().to_string()).status());
            drop(process.wait());
        }
    }
}
