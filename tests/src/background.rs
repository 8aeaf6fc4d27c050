//! Programs that run beside a test.

use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A program whose three streams are the test's, unless they were set before; ended when dropped.
pub struct Background(Child);

impl Background {
    /// Starts it.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")))
    }

    /// Waits for its end; its own deadline is the caller's. What it writes must be read by then.
    pub fn end(mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.wait().expect("it can be waited for")
    }
}

impl Deref for Background {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Background {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // TERM, which `timeout` passes on.
            drop(Command::new("kill").arg(self.0.id().to_string()).status());
            drop(self.0.wait());
        }
    }
}
