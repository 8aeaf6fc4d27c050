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
    arguments: Vec<String>,
    process: Option<Child>,
    /// Of the engine's data, if that is a file system of its own.
    mounted: Option<PathBuf>,
}

/// As much as the base image takes, and some more.
const BTRFS_BYTES: u64 = 2 << 30;

/// Has the engine find users for machines where it looks for them.
const WITH_RANGES: &str = "mount --bind \"$0\" /etc/subuid && mount --bind \"$0\" /etc/subgid &&";

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

    /// Root's user and group, where users are mapped.
    pub const MAPPED_ROOT: &str = "200000:200000";

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
        engine.load_base();
        engine
    }

    /// The same, with `--live-restore`: its machines outlive it.
    #[track_caller]
    pub fn start_beside_with_live_restore() -> Self {
        let mut engine = Self::prepare(Network::Callers);
        engine.arguments = vec!["--live-restore".to_owned()];
        engine.start_again();
        engine.load_base();
        engine
    }

    /// Starts one with these arguments of `dockerd`, and the base image.
    #[track_caller]
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut engine = Self::prepare(Network::Own);
        engine.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        engine.start_again();
        engine.load_base();
        engine
    }

    /// Starts one that maps users, with [`Self::MAPPED_ROOT`] for root, and the base image.
    #[track_caller]
    pub fn start_mapping_users() -> Self {
        let mut engine = Self::prepare(Network::Own);
        // In its own mounts alone: the machine's own file is for the machine.
        std::fs::write(engine.path("ranges"), "daemon:200000:65536\n").expect("a file");
        engine.arguments = vec!["--userns-remap=daemon".to_owned()];
        engine.start_again();
        engine.load_base();
        engine
    }

    /// Starts one that keeps its data on a btrfs of its own, with the base image.
    #[track_caller]
    pub fn start_on_btrfs() -> Self {
        let mut engine = Self::prepare(Network::Own);
        let (image, data) = (engine.path("btrfs.img"), engine.path("data"));
        std::fs::create_dir(&data).expect("a folder");
        let file = std::fs::File::create(&image).expect("a file");
        file.set_len(BTRFS_BYTES).expect("room for it");
        let done =
            |command: &mut Command| assert!(command.status().expect("it runs").success(), "{command:?}");
        done(Command::new("mkfs.btrfs").arg("--quiet").arg(&image));
        done(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&data));
        engine.mounted = Some(data);
        engine.arguments = vec!["--storage-driver=btrfs".to_owned()];
        engine.start_again();
        engine.load_base();
        engine
    }

    #[track_caller]
    fn load_base(&self) {
        let mut save = timeout_command("docker", 120);
        let mut save = save.args(["save", Self::BASE]).stdout(Stdio::piped()).spawn().expect("docker runs");
        let image = save.stdout.take().expect("stdout is piped");
        let loaded = self.docker().arg("load").stdin(image).stdout(Stdio::null()).status();
        assert!(loaded.expect("docker runs").success());
        assert!(save.wait().expect("it ends").success());
    }

    #[track_caller]
    fn start_in(network: Network) -> Self {
        let mut engine = Self::prepare(network);
        engine.start_again();
        engine
    }

    fn prepare(network: Network) -> Self {
        // In memory where that can be had: an engine syncs a lot.
        let memory = PathBuf::from("/dev/shm");
        let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("spaces-engine-").tempdir_in(place).expect("a folder");
        let engine = Self { folder, network, arguments: Vec::new(), process: None, mounted: None };
        // The machine's own configuration file is for the machine's own engine.
        std::fs::write(engine.path("daemon.json"), "{}").expect("a file");
        engine
    }

    /// Starts it again on what it holds, and waits until it answers.
    #[track_caller]
    pub fn start_again(&mut self) {
        let log = std::fs::File::create(self.path("log")).expect("a log");
        let mut command = Command::new("unshare");
        match self.network {
            Network::Own => command.args(["--net", "--mount"]),
            Network::Callers => command.args(["--mount"]),
        };
        let ranges = self.path("ranges");
        let prepare = if ranges.exists() { WITH_RANGES } else { "" };
        command.args(["sh", "-c", &format!("{prepare} exec dockerd \"$@\"")]).arg(ranges);
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
        command.args(&self.arguments);
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

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.path("data")
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
        if let Some(mounted) = &self.mounted {
            drop(Command::new("umount").arg(mounted).status());
        }
    }
}
