//! Both sides of a comparison, measured in turn: whatever else the machine does hits both.

use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;

/// What was measured of both.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    ours: Samples,
    theirs: Samples,
}

impl Turns {
    /// Each side once to warm up, and once in each round.
    pub(crate) fn take(
        rounds: impl Iterator<Item = anyhow::Result<u32>>,
        mut ours: impl FnMut() -> anyhow::Result<f64>,
        mut theirs: impl FnMut() -> anyhow::Result<f64>,
    ) -> anyhow::Result<Self> {
        ours()?;
        theirs()?;
        let mut turns = Self::default();
        for round in rounds {
            round?;
            turns.ours.add(ours()?);
            turns.theirs.add(theirs()?);
        }
        Ok(turns)
    }

    /// The line that tells it.
    pub(crate) fn row(&self, what: &str, against: &'static str, unit: Unit, bar: Bar) -> Row {
        Row {
            what: what.to_owned(),
            against,
            unit,
            ours: self.ours.summary(),
            theirs: Some(self.theirs.summary()),
            bar,
        }
    }
}
