//! A command over a new connection: from the start of `ssh` to its end. And `docker exec`, likewise.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::lab::Lab;
use crate::process::time;
use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (space, rival, console) = (lab.space(), lab.rival(), lab.console());
    let once = || -> anyhow::Result<[Duration; 4]> {
        Ok([
            time(&mut space.ssh(&[], &["true"]))?,
            time(&mut rival.ssh(&[], &["true"]))?,
            time(&mut docker_exec(lab))?,
            time(&mut console.ssh(&[], &["list"]))?,
        ])
    };
    once()?;
    let [mut ours, mut sshd, mut exec, mut list] = [const { Vec::new() }; 4].map(Samples::from_iter);
    for round in lab.rounds("cold") {
        round?;
        let [our_time, sshd_time, exec_time, list_time] = once()?.map(milliseconds);
        ours.add(our_time);
        sshd.add(sshd_time);
        exec.add(exec_time);
        list.add(list_time);
    }
    let row = |what: &str, ours: &Samples, against, theirs: &Samples, bar| Row {
        what: what.to_owned(),
        against,
        unit: Unit::Milliseconds,
        ours: ours.summary(),
        theirs: Some(theirs.summary()),
        bar,
    };
    Ok(vec![
        row("ssh REF@host true, cold", &ours, "sshd, true", &sshd, Bar::RatioAtMost(0.15)),
        row("ssh REF@host true, cold", &ours, "docker exec true", &exec, Bar::Less),
        row("ssh spaces@host list, cold", &list, "sshd, true", &sshd, Bar::RatioAtMost(0.25)),
    ])
}

/// As the same user, in the same container.
fn docker_exec(lab: &Lab) -> Command {
    let mut command = Command::new("docker");
    command.args(["exec", "--user", "space", &lab.container, "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
