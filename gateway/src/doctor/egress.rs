//! The attempts on the network rate and budget: what a Space sends goes into an interface that leads nowhere, which counts it.

use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::stage::{EGRESS_MB, NEIGHBOUR, PATIENT, Stage};
use super::{Found, Verdict};

/// So many doctors at once have addresses of their own.
const SEVERAL: u32 = 64;

/// Longest that `ip` takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The interface, and an address behind it out of those that are kept for documentation (RFC 5737). Each doctor has its
/// own.
struct Nowhere {
    interface: String,
    address: String,
}

impl Nowhere {
    async fn make() -> anyhow::Result<Self> {
        let own = std::process::id() % SEVERAL;
        let nowhere = Self { interface: interface(), address: format!("203.0.113.{}", own * 4 + 2) };
        // Of a doctor that was killed.
        nowhere.remove().await;
        let route = format!("203.0.113.{}/30", own * 4 + 1);
        // A pair, as the engine itself makes, since not every kernel has interfaces that lead nowhere by themselves.
        let (interface, end) = (nowhere.interface.as_str(), format!("{}e", nowhere.interface));
        ip(&["link", "add", interface, "type", "veth", "peer", "name", &end]).await?;
        let made = async {
            ip(&["address", "add", &route, "dev", interface]).await?;
            ip(&["link", "set", interface, "up"]).await?;
            ip(&["link", "set", &end, "up"]).await?;
            // Nobody answers there who it is.
            ip(&["neighbour", "add", &nowhere.address, "lladdr", "02:00:00:00:00:01", "dev", interface]).await
        };
        if let Err(error) = made.await {
            nowhere.remove().await;
            return Err(error);
        }
        Ok(nowhere)
    }

    /// How many bytes went there.
    async fn counted(&self) -> anyhow::Result<u64> {
        let counters = tokio::fs::read_to_string("/proc/self/net/dev").await?;
        let of_line =
            |line: &str| line.trim().strip_prefix(&self.interface)?.strip_prefix(':').map(str::to_owned);
        let line = counters.lines().find_map(of_line).context("its counters")?;
        // After eight of what came in.
        line.split_whitespace().nth(8).and_then(|bytes| bytes.parse().ok()).context("its counter")
    }

    async fn remove(&self) {
        // Nobody else has one of that name.
        drop(ip(&["link", "delete", &self.interface]).await);
    }
}

/// What an attempt that was cut short leaves.
pub(super) async fn clean_up() {
    drop(ip(&["link", "delete", &interface()]).await);
}

/// Each doctor has one of its own.
fn interface() -> String {
    format!("spd{}", std::process::id() % SEVERAL)
}

async fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let output = Command::new("ip").args(arguments).env("PATH", path).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await?.context("`ip`")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Of the rate and of the budget. One interface for both: one of its name cannot be made again at once.
pub(super) async fn both(stage: &Stage) -> [anyhow::Result<Found>; 2] {
    let nowhere = match Nowhere::make().await.context("run as root") {
        Ok(nowhere) => nowhere,
        Err(error) => return [Err(anyhow::anyhow!("{error:#}")), Err(error)],
    };
    let found = [rate(stage, &nowhere).await, budget(stage, &nowhere).await];
    nowhere.remove().await;
    found
}

/// So slow may the neighbour send, and for so long does it try.
const RATE_MBIT: u64 = 1;
const SENDING: Duration = Duration::from_secs(3);

/// What the neighbour sends at that rate, which without it would be all of its budget.
async fn rate(stage: &Stage, nowhere: &Nowhere) -> anyhow::Result<Found> {
    let words = ["admin", "set-budget", "--space", NEIGHBOUR, "--net-rate", &RATE_MBIT.to_string()];
    stage.console(&words).await?.or_why_not()?;
    let sent = sent_by(stage, NEIGHBOUR, nowhere, Some(SENDING)).await;
    let most = RATE_MBIT * SENDING.as_secs() * 1_000_000 / 8;
    Ok(match sent? {
        0 => Found::new(Verdict::No, NOTHING_SENT),
        // A little goes at once.
        sent if sent <= most * 2 => Found::new(Verdict::Yes, ""),
        sent => Found::new(
            Verdict::No,
            format!(
                "{sent} bytes went out in {SENDING:?} at {RATE_MBIT} Mbit a second; it takes \
                 `isolation.firewall = \"gateway\"`, `tc` and the kernel's tbf"
            ),
        ),
    })
}

const NOTHING_SENT: &str = "it cannot be tried: nothing was sent; has the image `bash` and `timeout`?";

/// Has a Space send four times its budget, or as much as it can in that time, and says how much of it went there.
async fn sent_by(
    stage: &Stage,
    space: &str,
    nowhere: &Nowhere,
    time: Option<Duration>,
) -> anyhow::Result<u64> {
    let before = nowhere.counted().await?;
    let (count, address) = (EGRESS_MB * 4000, &nowhere.address);
    let timeout = time.map(|time| format!("timeout {} ", time.as_secs())).unwrap_or_default();
    let send = format!("dd if=/dev/zero bs=1000 count={count} 2>/dev/null >/dev/udp/{address}/9");
    stage.run(space, &format!("{timeout}bash -c '{send}'; :")).await?;
    Ok(nowhere.counted().await? - before)
}

async fn budget(stage: &Stage, nowhere: &Nowhere) -> anyhow::Result<Found> {
    let sent = sent_by(stage, PATIENT, nowhere, None).await?;
    let lives = stage.run(PATIENT, "true").await?.done;
    let most = EGRESS_MB * 1_000_000;
    Ok(match sent {
        0 => Found::new(Verdict::No, NOTHING_SENT),
        // Headers of the link are counted here and not there.
        sent if sent <= most * 11 / 10 && lives => Found::new(Verdict::Yes, ""),
        sent => Found::new(
            Verdict::No,
            format!("{sent} of {most} bytes went out; it takes `isolation.firewall = \"gateway\"`"),
        ),
    })
}
