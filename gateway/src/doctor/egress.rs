//! The attempt on the network budget: what a Space sends goes into an interface that leads nowhere, which counts it.

use anyhow::Context as _;
use tokio::process::Command;

use super::stage::{EGRESS_MB, PATIENT, Stage};
use super::{Finding, Verdict};

/// The interface, and an address behind it out of those that are kept for documentation (RFC 5737). Each doctor has its
/// own.
struct Nowhere {
    interface: String,
    address: String,
}

impl Nowhere {
    async fn make() -> anyhow::Result<Self> {
        let own = std::process::id() % 64;
        let nowhere = Self { interface: format!("spd{own}"), address: format!("203.0.113.{}", own * 4 + 2) };
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

async fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let output = Command::new("ip").args(arguments).env("PATH", path).output().await.context("`ip`")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

pub(super) async fn budget(stage: &Stage) -> anyhow::Result<Finding> {
    let promise = "the network budget cuts and ssh goes on";
    let nowhere = match Nowhere::make().await {
        Ok(nowhere) => nowhere,
        Err(error) => {
            return Ok(Finding::new(
                promise,
                Verdict::No,
                format!("it cannot be tried: {error:#}; run as root"),
            ));
        }
    };
    let finding = send(stage, promise, &nowhere).await;
    nowhere.remove().await;
    finding
}

async fn send(stage: &Stage, promise: &'static str, nowhere: &Nowhere) -> anyhow::Result<Finding> {
    let before = nowhere.counted().await?;
    let line = format!(
        "bash -c 'dd if=/dev/zero bs=1000 count={} 2>/dev/null >/dev/udp/{}/9'; :",
        EGRESS_MB * 4000,
        nowhere.address
    );
    stage.run(PATIENT, &line).await?;
    let sent = nowhere.counted().await? - before;
    let lives = stage.run(PATIENT, "true").await?.done;
    let most = EGRESS_MB * 1_000_000;
    Ok(match sent {
        0 => Finding::new(
            promise,
            Verdict::No,
            "it cannot be tried: nothing was sent; the image has no `bash`",
        ),
        // Headers of the link are counted here and not there.
        sent if sent <= most * 11 / 10 && lives => Finding::new(promise, Verdict::Yes, ""),
        sent => Finding::new(
            promise,
            Verdict::No,
            format!("{sent} of {most} bytes went out; it takes `isolation.firewall = \"gateway\"`"),
        ),
    })
}
