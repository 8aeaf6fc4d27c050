//! A comparison: ours, theirs, and the bar that ours is held to. Pure.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::samples::Summary;

/// One line of the answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) against: &'static str,
    pub(crate) unit: Unit,
    pub(crate) ours: Summary,
    pub(crate) theirs: Option<Summary>,
    pub(crate) bar: Bar,
}

/// What the numbers count. Sizes are decimal: 1 kB is 1,000 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    MebibytesPerSecond,
    PerSecond,
    Kilobytes,
    Megabytes,
    /// Of one core.
    Percent,
}

/// What ours has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// Ours is at most so many times theirs.
    RatioAtMost(f64),
    /// Ours is less than theirs.
    Less,
    /// Ours is at least so many times theirs.
    RatioAtLeast(f64),
    /// Ours is at most so many units more than theirs.
    MoreAtMost(f64, Unit),
    /// Ours is at most so many units.
    AtMost(f64, Unit),
}

impl Row {
    /// Ours in theirs, by the medians.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.theirs.map(|theirs| self.ours.median / theirs.median)
    }

    /// Whether the bar is met. What could not be measured meets none.
    pub(crate) fn met(&self) -> bool {
        match self.bar {
            Bar::RatioAtMost(bar) => self.ratio().is_some_and(|ratio| ratio <= bar),
            Bar::Less => self.ratio().is_some_and(|ratio| ratio < 1.0),
            Bar::RatioAtLeast(bar) => self.ratio().is_some_and(|ratio| ratio >= bar),
            Bar::MoreAtMost(bar, _unit) => {
                self.theirs.is_some_and(|theirs| self.ours.median - theirs.median <= bar)
            }
            Bar::AtMost(bar, _unit) => self.ours.median <= bar,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::MebibytesPerSecond => "MiB/s",
            Self::PerSecond => "/s",
            Self::Kilobytes => "kB",
            Self::Megabytes => "MB",
            Self::Percent => "%",
        })
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtMost(bar) => write!(f, "<= {bar:.2}"),
            Self::Less => f.write_str("< 1.00"),
            Self::RatioAtLeast(bar) => write!(f, ">= {bar:.2}"),
            Self::MoreAtMost(bar, unit) => write!(f, "<= +{bar} {unit}"),
            Self::AtMost(bar, unit) => write!(f, "<= {bar} {unit}"),
        }
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Bar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, theirs: Option<f64>, bar: Bar) -> Row {
        Row {
            what: "x".to_owned(),
            against: "y",
            unit: Unit::Milliseconds,
            ours: ours.into(),
            theirs: theirs.map(Into::into),
            bar,
        }
    }

    #[test]
    fn a_bar_is_met_on_the_line_and_missed_beyond_it() {
        assert!(row(25.0, Some(100.0), Bar::RatioAtMost(0.25)).met());
        assert!(!row(25.1, Some(100.0), Bar::RatioAtMost(0.25)).met());
        assert!(!row(100.0, Some(100.0), Bar::Less).met());
        assert!(row(100.0, Some(100.0), Bar::RatioAtLeast(1.0)).met());
        assert!(!row(99.0, Some(100.0), Bar::RatioAtLeast(1.0)).met());
        assert!(row(90.0, Some(40.0), Bar::MoreAtMost(50.0, Unit::Milliseconds)).met());
        assert!(!row(90.1, Some(40.0), Bar::MoreAtMost(50.0, Unit::Milliseconds)).met());
        assert!(row(80.0, None, Bar::AtMost(80.0, Unit::Kilobytes)).met());
    }

    #[test]
    fn what_could_not_be_measured_meets_no_bar() {
        assert!(!row(f64::NAN, Some(100.0), Bar::RatioAtMost(0.25)).met());
        assert!(!row(1.0, None, Bar::Less).met());
        assert!(!row(1.0, None, Bar::MoreAtMost(50.0, Unit::Milliseconds)).met());
    }
}
