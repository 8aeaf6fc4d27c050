//! The attempts on the network. What listens and dials in a Space is its guest, on behalf of `ssh -R` and `ssh -W`: so
//! no image needs a program for them.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use super::Found;
use super::stage::{GREETING, Greeter, NEIGHBOUR, PATIENT, Stage};

/// Longest that `ssh -R` takes to say which port it got.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port in a Space that leads to a greeter of the doctor's, as long as this lives.
struct Door {
    port: u16,
    _ssh: Child,
    _greeter: Greeter,
}

impl Door {
    async fn open(stage: &Stage, space: &str) -> anyhow::Result<Self> {
        let greeter = Greeter::listen("127.0.0.1").await?;
        let forward = format!("*:0:127.0.0.1:{}", greeter.port);
        let options = ["-N", "-o", "LogLevel=INFO", "-o", "ExitOnForwardFailure=yes", "-R", &forward];
        let mut ssh = stage.ssh_command(&options, space);
        let mut ssh = ssh.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(ssh.stderr.take().context("stderr")?).lines();
        let port = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(rest) = line.strip_prefix("Allocated port ") {
                    return Ok(rest.split(' ').next().and_then(|port| port.parse().ok()));
                }
            }
            anyhow::Ok(None)
        };
        let port = timeout(PATIENCE, port).await??.context("`ssh -R` got no port")?;
        Ok(Self { port, _ssh: ssh, _greeter: greeter })
    }
}

/// Whether a connection from this Space to there is greeted.
async fn greeted(stage: &Stage, space: &str, address: &str, port: u16) -> anyhow::Result<bool> {
    let told = stage.ssh(&["-W", &format!("{address}:{port}")], space, &[]).await?;
    Ok(told.stdout == GREETING)
}

/// The Space's address on its bridge, as the engine writes it into every Space.
async fn address(stage: &Stage, space: &str) -> anyhow::Result<Ipv4Addr> {
    let hosts = stage.run(space, "cat /etc/hosts").await?.stdout;
    let own = hosts.lines().rev().filter_map(|line| line.split_whitespace().next()?.parse::<Ipv4Addr>().ok());
    own.into_iter().find(|address| !address.is_loopback()).context("the space's address")
}

pub(super) async fn forwards(stage: &Stage) -> anyhow::Result<Found> {
    let fix = "see the gateway's log";
    let door = Door::open(stage, PATIENT).await?;
    let through = greeted(stage, PATIENT, "127.0.0.1", door.port).await?;
    Ok(Found::if_so(through, fix))
}

pub(super) async fn neighbour(stage: &Stage) -> anyhow::Result<Found> {
    let door = Door::open(stage, NEIGHBOUR).await?;
    let address = address(stage, NEIGHBOUR).await?.to_string();
    // It is there, for itself alone.
    let there = greeted(stage, NEIGHBOUR, &address, door.port).await?;
    let reached = greeted(stage, PATIENT, &address, door.port).await?;
    let fix = "set `isolation.firewall = \"gateway\"`, or shut the ways between bridges in your own firewall";
    Ok(Found::if_so(there && !reached, fix))
}

pub(super) async fn host(stage: &Stage) -> anyhow::Result<Found> {
    let own = address(stage, PATIENT).await?;
    // The host's end of its bridge has the first address of eight.
    let bridge = Ipv4Addr::from_bits((own.to_bits() & !7) + 1).to_string();
    let greeter = Greeter::listen(&bridge).await?;
    let there = tokio::net::TcpStream::connect((bridge.as_str(), greeter.port)).await.is_ok();
    let reached = greeted(stage, PATIENT, &bridge, greeter.port).await?;
    let fix =
        "set `isolation.firewall = \"gateway\"`, or refuse what comes from the bridges in your own firewall";
    Ok(Found::if_so(there && !reached, fix))
}
