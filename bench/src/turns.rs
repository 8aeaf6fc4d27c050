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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_counts_for_neither_side() {
        let counter = |mut last: f64| {
            move || {
                last += 1.0;
                Ok(last)
            }
        };
        let turns = Turns::take((1..=3).map(Ok), counter(0.0), counter(10.0)).unwrap();
        let row = turns.row("x", "y", Unit::Milliseconds, Bar::Less);
        assert_eq!(row.ours, Samples::from_iter([2.0, 3.0, 4.0]).summary());
        assert_eq!(row.theirs, Some(Samples::from_iter([12.0, 13.0, 14.0]).summary()));
    }

    #[test]
    fn what_cannot_be_measured_ends_the_turns() {
        let refused = || Err(anyhow::anyhow!("refused"));
        assert_eq!(Turns::take((1..=3).map(Ok), || Ok(1.0), refused).unwrap_err().to_string(), "refused");
        let interrupted = std::iter::once(Err(anyhow::anyhow!("interrupted")));
        let ended = Turns::take(interrupted, || Ok(1.0), || Ok(1.0)).unwrap_err();
        assert_eq!(ended.to_string(), "interrupted");
    }
}
