//! Waiting for what another process brings about, and places that none has taken.

use std::time::{Duration, Instant};

/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks, where nothing tells of a change.
const STEP: Duration = Duration::from_millis(20);

/// Looks until the value is as it should be, or fails with what it was last.
#[track_caller]
pub fn eventually<T: std::fmt::Debug>(
    mut look: impl FnMut() -> T,
    as_it_should_be: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if as_it_should_be(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "it stayed as it was: {seen:#?}");
        std::thread::park_timeout(STEP);
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
