//! One byte to a `cat` and back, many times over one held session: what a key costs.
//!
//! Each round holds a session of its own: on which core a program finds itself decides much of the time, and
//! often stays as it is as long as the session.

use std::io::{Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use anyhow::Context as _;

use crate::lab::Lab;
use crate::process::Running;
use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;
use crate::target::Target;

/// Round trips that are measured of a session.
const BLOCK: u32 = 200;

/// Round trips before, in which the session settles.
const WARM_UP: u32 = 50;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (ours, theirs) = (lab.space(), lab.rival());
    let (mut our_middles, mut their_middles) = (Samples::default(), Samples::default());
    let (mut our_tails, mut their_tails) = (Samples::default(), Samples::default());
    for round in lab.rounds("echo") {
        round?;
        let (our_block, their_block) = (block(&ours)?, block(&theirs)?);
        our_middles.add(our_block.percentile(50));
        our_tails.add(our_block.percentile(99));
        their_middles.add(their_block.percentile(50));
        their_tails.add(their_block.percentile(99));
    }
    let row = |what: &str, ours: &Samples, theirs: &Samples, bar| Row {
        what: what.to_owned(),
        against: "sshd",
        unit: Unit::Microseconds,
        ours: ours.summary(),
        theirs: Some(theirs.summary()),
        bar,
    };
    Ok(vec![
        row("one-byte echo, p50", &our_middles, &their_middles, Bar::RatioAtMost(1.3)),
        row("one-byte echo, p99", &our_tails, &their_tails, Bar::RatioAtMost(1.5)),
    ])
}

/// Microseconds of each round trip of one session.
fn block(target: &Target) -> anyhow::Result<Samples> {
    let mut session = Session::open(target)?;
    for _warm_up in 0..WARM_UP {
        session.echo()?;
    }
    (0..BLOCK).map(|_| session.echo()).collect::<anyhow::Result<Vec<_>>>().map(Samples::from_iter)
}

struct Session {
    stdin: ChildStdin,
    stdout: ChildStdout,
    _ssh: Running,
}

impl Session {
    fn open(target: &Target) -> anyhow::Result<Self> {
        let mut command = target.ssh(&[], &["cat"]);
        let mut ssh =
            Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot run ssh")?);
        let stdin = ssh.0.stdin.take().context("its input is piped")?;
        let stdout = ssh.0.stdout.take().context("its output is piped")?;
        Ok(Self { stdin, stdout, _ssh: ssh })
    }

    /// Microseconds of a round trip.
    fn echo(&mut self) -> anyhow::Result<f64> {
        let start = Instant::now();
        self.stdin.write_all(b"x")?;
        self.stdout.read_exact(&mut [0])?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    }
}
