//! The attempts on limits, and the order of all.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::stage::{CPU_MILLIS, DISK_MB, MEMORY_MIB, PATIENT, PIDS, Stage};
use super::{Finding, Found, Verdict, egress, network};
use crate::config::Config;

/// In so many steps, and with as long between them, as much again as its limit is written to a disk whose limit is soft.
const STEPS: u64 = 25;
const STEP: Duration = Duration::from_millis(800);

/// Each in turn, so that none disturbs another.
pub(super) async fn all(config: &Config, stage: &Stage) -> Vec<Finding> {
    let mut findings = vec![tried("a terminal works", terminal(stage).await)];
    if config.forwarding.allowed {
        findings.push(tried("forwards work both ways", network::forwards(stage).await));
    }
    findings.push(tried("a neighbour cannot be reached", network::neighbour(stage).await));
    findings.push(tried("the host cannot be reached", network::host(stage).await));
    findings.push(tried("the processor limit holds back", cpu(stage).await));
    findings.push(tried("the memory limit ends what exceeds it", memory(stage).await));
    findings.push(tried("the limit of processes binds", pids(stage).await));
    let [rate, budget] = egress::both(stage).await;
    findings.push(tried("the network rate holds back", rate));
    findings.push(tried("the network budget cuts and ssh goes on", budget));
    // The last, since it leaves the disk full.
    findings.push(tried("the disk limit stops writes", disk(stage).await));
    findings
}

/// What an attempt found, and what to do about it. One that could not be made proves nothing.
fn tried(promise: &'static str, attempt: anyhow::Result<Found>) -> Finding {
    match attempt {
        Ok(Found { holds, fix }) => Finding { promise, holds, fix },
        Err(error) => Finding::new(promise, Verdict::No, format!("it cannot be tried: {error:#}")),
    }
}

async fn terminal(stage: &Stage) -> anyhow::Result<Found> {
    let told = stage.ssh(&["-tt"], PATIENT, &["test -t 0 && echo terminal"]).await?;
    Ok(Found::if_so(told.stdout.contains("terminal"), "see the gateway's log"))
}

async fn cpu(stage: &Stage) -> anyhow::Result<Found> {
    let mut busy = stage.ssh_command(&[], PATIENT);
    let _busy =
        busy.arg("timeout 10 sh -c 'while :; do :; done'").stdin(std::process::Stdio::null()).spawn()?;
    let mut most = 0;
    // The first ones may be of the time before it began.
    for _reading in 0..5 {
        most = most.max(figure(stage, "cpu", "used").await?.as_u64().unwrap_or_default());
    }
    let fix = |seen: String| format!("{seen}; is the cpu cgroup controller of this host on?");
    // A reading is over two tenths of a second, in which two periods of the scheduler may begin.
    Ok(match most {
        0 => Found::new(Verdict::No, fix("nothing can be read".to_owned())),
        seen if seen <= CPU_MILLIS * 2 => Found::new(Verdict::Yes, ""),
        seen => Found::new(Verdict::No, fix(format!("{seen} of {CPU_MILLIS} millis were used"))),
    })
}

async fn memory(stage: &Stage) -> anyhow::Result<Found> {
    // `tail` keeps all that it may have to print.
    let take = async |mebibytes: u64| {
        let bytes = mebibytes << 20;
        let line = format!("head -c {bytes} /dev/zero | tail -c {bytes} | wc -c");
        anyhow::Ok(stage.run(PATIENT, &line).await?.stdout.trim() == bytes.to_string())
    };
    let (little, much) = (take(MEMORY_MIB / 8).await?, take(MEMORY_MIB * 2).await?);
    let lives = stage.run(PATIENT, "true").await?.done;
    let fix = "is the memory cgroup controller on? Debian: `cgroup_enable=memory` for the kernel";
    Ok(Found::if_so(little && !much && lives, fix))
}

async fn pids(stage: &Stage) -> anyhow::Result<Found> {
    // Each number is printed once one more runs; a shell that cannot start one ends, and all that it started with it.
    let most = PIDS * 2;
    let line = format!(
        "sh -c 'trap \"kill \\$all\" EXIT; i=0; while [ $i -lt {most} ]; do sleep 50 & all=\"$all $!\"; i=$((i+1)); echo $i; done' \
         2>/dev/null"
    );
    let told = stage.run(PATIENT, &line).await?;
    let started: u64 = told.stdout.lines().last().and_then(|line| line.parse().ok()).unwrap_or_default();
    let fix = "is the pids cgroup controller of this host on?";
    Ok(match started {
        0 => Found::new(Verdict::No, "it cannot be tried: nothing was started"),
        _ => Found::if_so(started < PIDS, fix),
    })
}

async fn disk(stage: &Stage) -> anyhow::Result<Found> {
    let limit = DISK_MB * 1_000_000;
    let filled = stage.run(PATIENT, &format!("head -c {} /dev/zero > filler", limit * 6 / 5)).await?;
    if figure(stage, "disk", "bound").await? == "hard" {
        let told = stage.run(PATIENT, "stat -c %s filler").await?;
        let written: u64 = told.stdout.trim().parse().unwrap_or_default();
        let near = !filled.done && (limit * 9 / 10..=limit).contains(&written);
        return Ok(Found::if_so(near, format!("writes stopped at {written} of {limit} bytes")));
    }
    for _step in 0..STEPS {
        // More each time, since on a slow host the first file was measured, and stopped, before it was whole.
        let told = stage.run(PATIENT, &format!("head -c {} /dev/zero >> filler", limit / STEPS)).await?;
        if told.stderr.contains("File too large") {
            let fix = "writes stop once the files were measured, and not before";
            return Ok(Found::new(Verdict::Soft, fix));
        }
        sleep(STEP).await;
    }
    let fix = "files cannot be measured or writes not refused here; run the gateway as root";
    Ok(Found::new(Verdict::No, fix))
}

/// What `space usage` has in this field of a resource.
async fn figure(stage: &Stage, resource: &str, field: &str) -> anyhow::Result<Value> {
    let told = stage.console(&["space", "usage", "--space", PATIENT, "--json"]).await?;
    let mut usage: Value = serde_json::from_str(&told.stdout).unwrap_or_default();
    Ok(usage.get_mut(resource).and_then(|figure| figure.get_mut(field)).map(Value::take).unwrap_or_default())
}
