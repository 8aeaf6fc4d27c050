//! A gateway of one's own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::child::timeout_command;
use crate::person::Person;

/// Longest that a gateway takes to say something that a test waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// The setting that says where the engine listens.
const ENGINE_SOCKET: &str = "SPACES_GATEWAY_ENGINE__SOCKET";

/// A gateway with a platform admin who is logged in, on the machine's engine.
pub struct Platform {
    folder: TempDir,
    installation: String,
    gateway: Option<Gateway>,
    port: u16,
    environment: Vec<(String, String)>,
    people: AtomicU32,
    admin: Option<Person>,
}

struct Gateway {
    process: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// One of the three programs, as `make build` leaves them.
pub fn bin(program: &str) -> PathBuf {
    let path = repository().join("bin").join(program);
    assert!(path.exists(), "{} is not there: run `make build`", path.display());
    path
}

impl Platform {
    /// Starts a gateway with the defaults.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a gateway with these `SPACES_GATEWAY_...` settings (without the prefix).
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let mut platform = Self::prepare(settings);
        platform.serve();
        platform.log_admin_in();
        platform
    }

    /// Makes the state folder and its settings; starts nothing.
    pub fn prepare(settings: &[(&str, &str)]) -> Self {
        Self::prepare_in(
            tempfile::Builder::new().prefix("spaces-test-").tempdir().expect("a folder"),
            settings,
        )
    }

    /// The same in this folder, where `state` may be there already.
    pub fn prepare_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let environment =
            settings.iter().map(|(key, value)| (format!("SPACES_GATEWAY_{key}"), (*value).to_owned()));
        let mut platform = Self {
            folder,
            installation: String::new(),
            gateway: None,
            port: 0,
            environment: environment.collect(),
            people: AtomicU32::new(0),
            admin: None,
        };
        let report = platform.gateway_command(&["check"]).output().expect("the gateway runs");
        let report = String::from_utf8_lossy(&report.stdout).into_owned();
        let line = report
            .lines()
            .find_map(|line| line.strip_prefix("installation"))
            .expect("check tells the installation");
        line.trim().clone_into(&mut platform.installation);
        platform
    }

    /// `spaces-gateway ARGUMENTS` on this platform's state.
    pub fn gateway_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(bin("spaces-gateway"));
        command
            .env("SPACES_GATEWAY_STATE", self.state())
            .env("SPACES_GATEWAY_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("SPACES_GATEWAY_LOG__FILTER", "info,spaces_gateway=debug")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .args(arguments);
        command
    }

    /// Changes a setting, for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        let key = format!("SPACES_GATEWAY_{key}");
        self.environment.retain(|(other, _value)| *other != key);
        self.environment.push((key, value.to_owned()));
    }

    /// `docker`, speaking to this platform's engine.
    pub fn docker(&self) -> Command {
        let mut command = timeout_command("docker", 60);
        if let Some((_key, socket)) = self.environment.iter().find(|(key, _socket)| key == ENGINE_SOCKET) {
            command.env("DOCKER_HOST", format!("unix://{socket}"));
        }
        command
    }

    /// Starts the gateway, on the port that it had before if it had one.
    pub fn serve(&mut self) {
        assert!(self.gateway.is_none(), "it serves already");
        let mut process =
            self.gateway_command(&["serve"]).stderr(Stdio::piped()).spawn().expect("the gateway runs");
        let log = Arc::new(Log::default());
        let (lines, stderr) = (Arc::clone(&log), process.stderr.take().expect("stderr is piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lines.lock().expect("no panic holds it").push(line);
                lines.more.notify_all();
            }
        });
        self.gateway = Some(Gateway { process, log });
        self.wait_for_log("serving address");
        let address = std::fs::read_to_string(self.state().join("address")).expect("the address");
        self.port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let public =
            std::fs::read_to_string(self.state().join("ssh_host_ed25519_key.pub")).expect("the host key");
        let line = format!("[127.0.0.1]:{} {public}", self.port);
        std::fs::write(self.known_hosts(), line).expect("known_hosts");
    }

    /// Waits until the log has this text, from the beginning on; gives the line.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_log_after(0, text)
    }

    /// Waits until the log has this text after so many lines.
    #[track_caller]
    pub fn wait_for_log_after(&self, skip: usize, text: &str) -> String {
        let log = &self.gateway.as_ref().expect("it serves").log;
        let deadline = Instant::now() + PATIENCE;
        let mut lines = log.lines.lock().expect("no panic holds it");
        loop {
            if let Some(line) = lines.iter().skip(skip).find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the log never said `{text}`:\n{}", lines.join("\n"));
            lines = log.more.wait_timeout(lines, left).expect("no panic holds it").0;
        }
    }

    /// Everything the gateway has logged since it was started.
    pub fn log(&self) -> Vec<String> {
        self.gateway
            .as_ref()
            .map(|gateway| gateway.log.lines.lock().expect("no panic holds it").clone())
            .unwrap_or_default()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut gateway = self.gateway.take().expect("it serves");
        gateway.process.kill().expect("it can be killed");
        gateway.process.wait().expect("it can be waited for");
    }

    /// SIGTERM; gives whether it ended well.
    pub fn stop(&mut self) -> bool {
        let mut gateway = self.gateway.take().expect("it serves");
        let pid = gateway.process.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().expect("kill runs").success());
        gateway.process.wait().expect("it can be waited for").success()
    }

    /// The gateway's process id.
    pub fn pid(&self) -> u32 {
        self.gateway.as_ref().expect("it serves").process.id()
    }

    /// Port of the gateway.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A folder for whatever the test needs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The installation's id, which its containers and networks carry.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// The platform admin, whose key is registered.
    pub fn admin(&self) -> &Person {
        self.admin.as_ref().expect("the admin is logged in")
    }

    /// Somebody whose key nobody knows yet.
    pub fn stranger(&self, email: &str) -> Person {
        Person::new(self, email)
    }

    /// Somebody whose key is registered, and who owns no Space yet.
    #[track_caller]
    pub fn person(&self, email: &str) -> Person {
        let person = self.stranger(email);
        let key = self.auth_key(email);
        let output = person.ssh_answering(&key, &["login"]);
        assert_eq!(output.stdout, format!("authenticated as {email}\n"), "{}", output.stderr);
        person
    }

    /// Somebody whose key is registered and who owns a running Space of this name; gives its id too.
    #[track_caller]
    pub fn owner(&self, email: &str, space: &str) -> (Person, String) {
        let person = self.person(email);
        let id = self.create_space(email, space);
        (person, id)
    }

    /// Makes a Space; gives its id.
    #[track_caller]
    pub fn create_space(&self, owner: &str, name: &str) -> String {
        let output = self.admin().ssh("spaces", &["admin", "create-space", "--owner", owner, "--name", name]);
        output.ok().trim().to_owned()
    }

    /// A fresh auth key of role `admin`.
    #[track_caller]
    pub fn auth_key(&self, email: &str) -> String {
        self.admin().ssh("spaces", &["admin", "issue-key", email, "--role", "admin"]).ok().trim().to_owned()
    }

    /// Names of what the engine holds of this installation: `ps -a` or `network ls`.
    pub fn engine_holds(&self, what: &[&str]) -> Vec<String> {
        let name = if what.first() == Some(&"ps") { "{{.Names}}" } else { "{{.Name}}" };
        let label = format!("label=dev.spaces.installation={}", self.installation);
        let mut command = self.docker();
        let output =
            command.args(what).args(["--format", name, "--filter", &label]).output().expect("docker runs");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// The container of a Space.
    pub fn container(&self, space: &str) -> String {
        format!("spaces-{}-{space}", self.installation)
    }

    /// The table of the firewall's rules around this installation's Spaces.
    pub fn firewall_table(&self) -> String {
        format!("spaces_{}", self.installation)
    }

    /// The file that pins the gateway's host key.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    pub(crate) fn next_number(&self) -> u32 {
        self.people.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes a platform admin, who logs in. `start_with` does.
    #[track_caller]
    pub fn log_admin_in(&mut self) {
        let email = "root@example.com";
        let admin = self.stranger(email);
        let output =
            self.gateway_command(&["bootstrap", email, "--no-space"]).output().expect("the gateway runs");
        let key = String::from_utf8(output.stdout).expect("an auth key");
        let login = admin.ssh_answering(key.trim(), &["login"]);
        assert_eq!(login.stdout, format!("authenticated as {email}\n"), "{}", login.stderr);
        self.admin = Some(admin);
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            drop(gateway.process.kill());
            drop(gateway.process.wait());
        }
        let containers = self.engine_holds(&["ps", "-a"]);
        if !containers.is_empty() {
            drop(self.docker().args(["rm", "-f", "-v"]).args(containers).output());
        }
        let networks = self.engine_holds(&["network", "ls"]);
        if !networks.is_empty() {
            drop(self.docker().args(["network", "rm"]).args(networks).output());
        }
        let table = self.firewall_table();
        for table in [table.clone(), table + "_egress"] {
            drop(Command::new("nft").args(["delete", "table", "inet", &table]).output());
        }
    }
}
