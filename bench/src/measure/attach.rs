//! Coming back to a session: from the start of `ssh` until the last text of its screen is there. What it costs over
//! a command on a new connection is what is held to the bar, so that the other side is ours too.

use std::process::Stdio;
use std::time::Instant;

use anyhow::Context as _;

use crate::lab::{Lab, SPACE};
use crate::process::{Running, run, time, until};
use crate::row::{Bar, Row, Unit};
use crate::turns::Turns;

/// Fills the screen: 23 lines, each of them another text, and the last.
const PROGRAM: &str =
    "'for line in $(seq 23); do printf \"%079d\\n\" $line; done; printf last-of-all; exec cat'";

/// The last text of the screen; only there is it in one piece.
const LAST: &[u8] = b"last-of-all";

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    leave(lab, show(lab, &["connect", SPACE, "--", PROGRAM])?)?;
    let number = number(lab)?;
    let attach = || {
        let start = Instant::now();
        let shown = show(lab, &["connect", "--attach", &number])?;
        let took = start.elapsed();
        leave(lab, shown)?;
        Ok(took.as_secs_f64() * 1e3)
    };
    let space = lab.space();
    let command = || Ok(time(&mut space.ssh(&[], &["true"]))?.as_secs_f64() * 1e3);
    let turns = Turns::take(lab.rounds("attach"), attach, command)?;
    run(&mut lab.console().ssh(&[], &["session", "kill", &number]))?;
    let bar = Bar::MoreAtMost(50.0, Unit::Milliseconds);
    Ok(vec![turns.row("attach to 80x24", "ssh REF@host true", Unit::Milliseconds, bar)])
}

/// `ssh -tt spaces@host WORDS`, once the whole screen has come.
fn show(lab: &Lab, words: &[&str]) -> anyhow::Result<Running> {
    let mut command = lab.console().ssh(&["-tt"], words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shown = Running(command.spawn().context("cannot run ssh")?);
    shown.read_until(LAST).context("the screen of a session")?;
    Ok(shown)
}

/// Ends the client, and waits until the session is alone.
fn leave(lab: &Lab, shown: Running) -> anyhow::Result<()> {
    shown.end()?;
    until("a session that nobody is in", || Ok(list(lab)?.contains(" detached ")))
}

/// The number of the only session.
fn number(lab: &Lab) -> anyhow::Result<String> {
    let list = list(lab)?;
    let row = list.lines().nth(1).context("no session")?;
    Ok(row.split_whitespace().next().context("a session without a number")?.to_owned())
}

fn list(lab: &Lab) -> anyhow::Result<String> {
    run(&mut lab.console().ssh(&[], &["session", "list"]))
}
