//! Numbers of one kind, and what stands for them. Pure.

use serde::Serialize;

/// What was measured, in no order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

/// What stands for many numbers: the middle one, those that a tenth lies below and above, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) p10: f64,
    pub(crate) p90: f64,
    pub(crate) of: usize,
}

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The value that this share of all lies at or below, by nearest rank; not a number where there are none.
    pub(crate) fn percentile(&self, percent: u32) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent as usize).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn summary(&self) -> Summary {
        let Self(values) = self;
        Summary {
            median: self.percentile(50),
            p10: self.percentile(10),
            p90: self.percentile(90),
            of: values.len(),
        }
    }
}

impl From<f64> for Summary {
    fn from(only: f64) -> Self {
        Self { median: only, p10: only, p90: only, of: 1 }
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let samples: Samples = (1..=30).rev().map(f64::from).collect();
        assert_eq!(samples.summary(), Summary { median: 15.0, p10: 3.0, p90: 27.0, of: 30 });
        assert!((samples.percentile(99) - 30.0).abs() < f64::EPSILON);
    }

    #[test]
    fn one_value_stands_for_itself_and_none_for_nothing() {
        assert_eq!(Samples::from_iter([7.5]).summary(), Summary::from(7.5));
        assert!(Samples::default().percentile(50).is_nan());
    }
}
