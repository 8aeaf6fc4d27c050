//! A platform of the doctor's own: gateway, admin, two Spaces. Nothing of it is left.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use russh::keys::HashAlg;
use spaces_protocol::name::{Email, SpaceId};
use spaces_provisioner::{Docker, Provisioner as _};
use spaces_store::{Grant, Issue, NewAuthKey, NewDeviceKey, Redeem, Store};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::config::Config;
use crate::tasks::Owned;
use crate::{key_file, serve};

/// Longest that the gateway takes to serve, and any one attempt to end.
const START: Duration = Duration::from_secs(30);
const ATTEMPT: Duration = Duration::from_mins(1);

/// Small budgets, so that little has to be used up.
pub(super) const CPU_MILLIS: u64 = 200;
pub(super) const MEMORY_MIB: u64 = 128;
pub(super) const PIDS: u64 = 64;
pub(super) const DISK_MB: u64 = 100;
pub(super) const EGRESS_MB: u64 = 2;

/// The Spaces.
pub(super) const PATIENT: &str = "patient";
pub(super) const NEIGHBOUR: &str = "neighbour";

/// Whose they are.
const OWNER: &str = "doctor@localhost";

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) done: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Told {
    /// What was said, where it was not done.
    pub(super) fn or_why_not(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.done, "{}", self.stderr.split_whitespace().collect::<Vec<_>>().join(" "));
        Ok(())
    }
}

pub(super) struct Stage {
    folder: TempDir,
    gateway: Child,
    _log: Owned,
    port: u16,
    docker: Docker,
}

impl Stage {
    /// Starts the gateway; the engine has nothing of it yet.
    pub(super) async fn set_up(config: &Config, file: Option<PathBuf>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("spaces-doctor-").tempdir()?;
        let state = folder.path().join("state");
        let own = Config { state: state.clone(), ..config.clone() };
        serve::prepare_state(&state)?;
        let store = serve::open_store(&own).await?;
        register(&store, &state).await?;
        let docker = serve::docker(&own, &store).await?;
        store.close().await;
        let mut gateway = gateway(file.as_deref(), &state)?;
        let stderr = gateway.stderr.take().context("the gateway's log")?;
        let log = wait_until_it_serves(stderr).await?;
        let address = std::fs::read_to_string(state.join("address"))?;
        let port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok()).context("a port")?;
        let key = std::fs::read_to_string(state.join("ssh_host_ed25519_key.pub"))?;
        std::fs::write(folder.path().join("known_hosts"), format!("[127.0.0.1]:{port} {key}"))?;
        Ok(Self { folder, gateway, _log: log, port, docker })
    }

    /// Makes the Spaces and enters them; else says why not.
    pub(super) async fn furnish(&self) -> anyhow::Result<()> {
        for space in [PATIENT, NEIGHBOUR] {
            let made = self.console(&["admin", "create-space", "--owner", OWNER, "--name", space]).await?;
            made.or_why_not()?;
            self.run(space, "true").await?.or_why_not()?;
        }
        Ok(())
    }

    /// Removes all that was made, as far as it can be, and gives the first thing that could not.
    pub(super) async fn take_down(&mut self) -> anyhow::Result<()> {
        // First the gateway: it would make anew what is missing.
        drop(self.gateway.kill().await);
        let mut first = Ok(());
        let left: Vec<SpaceId> = self.docker.observe_all().await?.into_keys().collect();
        for space in left {
            first = first.and(self.docker.ensure_absent(space).await.context("a space was left"));
        }
        first.and(self.docker.ensure_isolated().await.context("rules of the firewall were left"))
    }

    /// A command of the console.
    pub(super) async fn console(&self, words: &[&str]) -> anyhow::Result<Told> {
        self.ssh(&[], "spaces", words).await
    }

    /// A line for the shell of a Space.
    pub(super) async fn run(&self, space: &str, line: &str) -> anyhow::Result<Told> {
        self.ssh(&[], space, &[line]).await
    }

    /// The stock `ssh`, with these options of its own.
    pub(super) async fn ssh(&self, options: &[&str], login: &str, words: &[&str]) -> anyhow::Result<Told> {
        let mut command = self.ssh_command(options, login);
        let output = timeout(ATTEMPT, command.args(words).stdin(Stdio::null()).output()).await;
        let output = output.context("an attempt did not end")?.context("`ssh` cannot be run")?;
        Ok(Told {
            done: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The same, to be started by the caller.
    pub(super) fn ssh_command(&self, options: &[&str], login: &str) -> Command {
        let path = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("ssh");
        // Of two options of one name the first is taken.
        command.args(options).args(["-F", "none", "-p", &self.port.to_string(), "-i"]);
        command.arg(path("state/doctor_key"));
        for option in
            ["BatchMode=yes", "IdentitiesOnly=yes", "LogLevel=ERROR", "GlobalKnownHostsFile=/dev/null"]
        {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("UserKnownHostsFile={}", path("known_hosts").display()));
        command.arg(format!("{login}@127.0.0.1")).env_remove("SSH_AUTH_SOCK").kill_on_drop(true);
        command
    }
}

/// Makes the doctor a platform admin with a key, in the store itself.
async fn register(store: &Store, state: &Path) -> anyhow::Result<()> {
    let (key, now) = (key_file::load_or_create(state, "doctor_key", "doctor")?, Timestamp::now());
    let email: Email = OWNER.parse()?;
    store.ensure_platform_admin(&email, now).await?;
    let hash: [u8; 32] = rand::random();
    let expires_at = now.checked_add(jiff::SignedDuration::from_mins(1))?;
    let new = NewAuthKey { email: email.clone(), grant: Grant::Owner, hash, expires_at, issued_by: None };
    let Issue::Issued(_) = store.issue_auth_key(new, now).await? else { anyhow::bail!("no auth key") };
    let public = key.public_key();
    let device = NewDeviceKey {
        name: "doctor".parse()?,
        fingerprint: public.fingerprint(HashAlg::Sha256).to_string().parse()?,
        public_key: public.to_openssh()?,
    };
    match store.redeem(&email, &hash, device, now).await? {
        Redeem::Redeemed(_) => Ok(()),
        refused @ (Redeem::Refused | Redeem::KeyTaken | Redeem::TooManyKeys) => anyhow::bail!("{refused:?}"),
    }
}

/// This program again, with the operator's configuration but for what must be its own.
fn gateway(file: Option<&Path>, state: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    command.arg("serve").env("SPACES_GATEWAY_STATE", state);
    for (key, value) in [
        ("LISTEN", "127.0.0.1:0"),
        ("METRICS__LISTEN", ""),
        // By which neighbours and the host are tried.
        ("FORWARDING__ALLOWED", "true"),
        ("LOG__FORMAT", "human"),
        ("LOG__FILTER", "info"),
        ("METERING__EVERY", "1s"),
        ("METERING__DISK_EVERY", "1s"),
        ("CEILING__SPACES", "0"),
        ("CEILING__CPU_MILLIS", "0"),
        ("CEILING__MEMORY_MIB", "0"),
        ("CEILING__DISK_MB", "0"),
        ("CEILING__EGRESS_MB", "0"),
        ("SPACE__EGRESS_MBIT", "0"),
    ] {
        command.env(format!("SPACES_GATEWAY_{key}"), value);
    }
    for (key, value) in [
        ("CPU_MILLIS", CPU_MILLIS),
        ("MEMORY_MIB", MEMORY_MIB),
        ("PIDS", PIDS),
        ("DISK_MB", DISK_MB),
        ("EGRESS_MB", EGRESS_MB),
    ] {
        command.env(format!("SPACES_GATEWAY_SPACE__{key}"), value.to_string());
    }
    let piped = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    piped.kill_on_drop(true).spawn().context("a second gateway")
}

/// Reads its log until it serves, and on from there so that it can go on writing.
async fn wait_until_it_serves(stderr: ChildStderr) -> anyhow::Result<Owned> {
    let mut lines = BufReader::new(stderr).lines();
    let mut said = String::new();
    let serves = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("serving address") {
                return Ok(());
            }
            said = line;
        }
        anyhow::bail!("a second gateway did not start: {said}")
    };
    timeout(START, serves).await.context("a second gateway did not serve in time")??;
    Ok(Owned::spawn("doctor's log", drain(lines.into_inner())))
}

async fn drain(mut log: impl AsyncRead + Unpin) {
    // Ends with the gateway.
    drop(tokio::io::copy(&mut log, &mut tokio::io::sink()).await);
}

/// A listener of the doctor's, which greets.
pub(super) struct Greeter {
    pub(super) port: u16,
    _task: Owned,
}

/// What it says.
pub(super) const GREETING: &str = "hello from the doctor";

impl Greeter {
    /// On this address, and a port that is free there.
    pub(super) async fn listen(address: &str) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind((address, 0)).await?;
        let port = listener.local_addr()?.port();
        let listener = Arc::new(listener);
        let task = Owned::spawn("greeter", async move {
            while let Ok((mut connection, _from)) = listener.accept().await {
                drop(connection.write_all(GREETING.as_bytes()).await);
            }
        });
        Ok(Self { port, _task: task })
    }
}
