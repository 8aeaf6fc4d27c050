//! From an approval to a running Space: the whole `ssh spaces@host admin approve EMAIL`, against the three calls
//! to the engine that make an equal network and container and start it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::process::{run, run_timed};
use crate::rival::twin_network;
use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;
use crate::twin::{self, Own};

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    approve(lab, 0)?;
    create_and_start(lab, 0)?;
    for round in lab.rounds("approve") {
        let round = round?;
        ours.add(approve(lab, round)?.as_secs_f64() * 1e3);
        bare.add(create_and_start(lab, round)?.as_secs_f64() * 1e3);
    }
    Ok(vec![Row {
        what: "approve to running".to_owned(),
        against: "bare create and start",
        unit: Unit::Milliseconds,
        ours: ours.summary(),
        theirs: Some(bare.summary()),
        bar: Bar::RatioAtMost(1.3),
    }])
}

/// Asks, approves, and deletes the Space as its owner; only the approval counts.
fn approve(lab: &Lab, round: u32) -> anyhow::Result<Duration> {
    let name = format!("approved-{round}");
    let email = format!("{name}@example.com");
    run(&mut lab.join().ssh(&[], &["request", &email, "--reason", "bench"]))?;
    let (auth_key, took) = run_timed(&mut lab.admin().ssh(&[], &["admin", "approve", &email]))?;
    let owner = lab.platform.stranger(&email);
    let login = owner.ssh_answering(auth_key.trim(), &["login"]);
    anyhow::ensure!(login.status == 0, "login of {email}: {}", login.stderr.trim());
    let deleted = owner.ssh("spaces", &["space", "delete", "--space", &name, "--yes"]);
    anyhow::ensure!(deleted.status == 0, "deletion of {name}: {}", deleted.stderr.trim());
    Ok(took)
}

/// The same network and container, made by one call after the other; removed afterwards.
fn create_and_start(lab: &Lab, round: u32) -> anyhow::Result<Duration> {
    let name = lab.guard.name("bare");
    let own = Own { label: lab.guard.label(), network: &name };
    let network = twin_network(&lab.engine, &lab.inspected, &own, round + 1)?;
    let container = with_socket_folder(twin::container(&lab.inspected, &own), &socket_folder(lab)?)?;
    let engine = &lab.engine;
    let start = Instant::now();
    engine.post("/networks/create", &network)?;
    engine.post(&format!("/containers/create?name={name}"), &container)?;
    engine.post(&format!("/containers/{name}/start"), &Value::Null)?;
    let took = start.elapsed();
    engine.delete(&format!("/containers/{name}?force=true&v=true"))?;
    engine.delete(&format!("/networks/{name}"))?;
    Ok(took)
}

/// A folder in the place of the Space's socket folder: its guest must not dial in where another one's does.
fn socket_folder(lab: &Lab) -> anyhow::Result<PathBuf> {
    let folder = lab.platform.folder().join("nobody-listens");
    std::fs::create_dir_all(&folder).context("a folder")?;
    Ok(folder)
}

fn with_socket_folder(mut container: Value, folder: &std::path::Path) -> anyhow::Result<Value> {
    let mounts = container.pointer_mut("/HostConfig/Mounts").and_then(Value::as_array_mut);
    let mut sources =
        mounts.context("a Space without mounts")?.iter_mut().filter_map(|mount| mount.get_mut("Source"));
    let source = sources.find(|source| !source.as_str().is_some_and(|path| path.ends_with("spaces-guest")));
    *source.context("a Space without a socket folder")? = json!(folder);
    Ok(container)
}
