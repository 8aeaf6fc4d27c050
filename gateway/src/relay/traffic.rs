//! Whether anything goes between people and one Space, and whether they may still come in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts, in frames of data, what connections of one Space carry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic(Arc<AtomicU64>);

impl Traffic {
    pub(super) fn pass(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How much has passed until now.
    pub(super) fn passed(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Who comes in before it closes is counted, and who comes after it did is told.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Mutex<bool>,
    pub(super) traffic: Traffic,
}

impl Gate {
    /// Somebody comes in; false if it is closed.
    pub(super) fn enter(&self) -> bool {
        let closed = self.closed();
        if !*closed {
            self.traffic.pass();
        }
        !*closed
    }

    /// Closes it, unless something has passed since so much had.
    pub(super) fn close_if_quiet(&self, passed: u64) -> bool {
        let mut closed = self.closed();
        *closed = self.traffic.passed() == passed;
        *closed
    }

    pub(super) fn open(&self) {
        *self.closed() = false;
    }

    fn closed(&self) -> std::sync::MutexGuard<'_, bool> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_came_in_keeps_it_open_and_whoever_comes_late_is_told() {
        let gate = Gate::default();
        let before = gate.traffic.passed();
        assert!(gate.enter());
        assert!(!gate.close_if_quiet(before));
        assert!(gate.enter());
        assert!(gate.close_if_quiet(gate.traffic.passed()));
        assert!(!gate.enter());
        gate.open();
        assert!(gate.enter());
    }
}
