//! Resident memory of what always runs.

use crate::lab::Lab;
use crate::row::{Bar, Row, Unit};

use super::idle::{gateway_resident, process_one_resident};

/// A byte in megabytes.
const MEGABYTE: f64 = 1e-6;

pub(crate) fn measure(lab: &Lab, when: &str) -> anyhow::Result<Vec<Row>> {
    let row = |what: &str, against, ours: f64, theirs: Option<f64>, bar| Row {
        what: format!("{what}, {when}"),
        against,
        unit: Unit::Megabytes,
        ours: (ours * MEGABYTE).into(),
        theirs: theirs.map(|theirs| (theirs * MEGABYTE).into()),
        bar: Bar::AtMost(bar, Unit::Megabytes),
    };
    let listener = process_one_resident(&lab.rival.container)?;
    Ok(vec![
        row("gateway", "-", gateway_resident(lab)?, None, 40.0),
        row("guest", "sshd's listener", process_one_resident(&lab.container)?, Some(listener), 3.0),
    ])
}
