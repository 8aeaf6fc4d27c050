//! A command over a connection that is there already: from the start of `ssh` to its end.

use crate::held::Held;
use crate::lab::Lab;
use crate::process::time;
use crate::row::{Bar, Row, Unit};
use crate::turns::Turns;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let [ours, theirs] = lab.held()?;
    let once = |side: &Held| Ok(time(&mut side.ssh(&["true"]))?.as_secs_f64() * 1e3);
    let turns = Turns::take(lab.rounds("shared"), || once(&ours), || once(&theirs))?;
    let what = "ssh REF@host true, ControlMaster";
    Ok(vec![turns.row(what, "sshd, true", Unit::Milliseconds, Bar::RatioAtMost(1.0))])
}
