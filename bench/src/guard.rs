//! Takes away what the benchmark made at the engine, however it ends. The harness does so for the Spaces.

use std::process::Command;

use crate::process::run;

/// The label of everything that is made here.
const LABEL: &str = "dev.spaces.bench";

/// One run of the benchmark at the engine; when dropped, the engine holds nothing of it any more.
pub(crate) struct Guard {
    run: String,
}

impl Guard {
    /// For a run that nobody else calls by this name: small letters and digits.
    pub(crate) fn new(run: String) -> Self {
        Self { run }
    }

    /// Label and value of everything that this run makes.
    pub(crate) fn label(&self) -> (&'static str, &str) {
        (LABEL, &self.run)
    }

    /// A name that no other run uses.
    pub(crate) fn name(&self, of: &str) -> String {
        format!("spaces-bench-{}-{of}", self.run)
    }

    fn remove(&self, list: &[&str], remove: &[&str]) {
        let filter = format!("label={LABEL}={}", self.run);
        let listed = run(Command::new("docker").args(list).args(["--filter", &filter])).unwrap_or_default();
        let mut ids: Vec<&str> = listed.split_whitespace().collect();
        ids.dedup();
        if !ids.is_empty()
            && let Err(error) = run(Command::new("docker").args(remove).args(ids))
        {
            crate::process::say(&format!("left over: {error:#}"));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.remove(&["ps", "-aq"], &["rm", "-f", "-v"]);
        self.remove(&["network", "ls", "-q"], &["network", "rm"]);
        self.remove(&["image", "ls", "-q"], &["rmi", "-f"]);
    }
}
