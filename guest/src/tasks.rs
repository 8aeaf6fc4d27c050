//! The one place that starts tasks. Each has a name, which is what the log says if it fails.

use std::fmt::Display;

use crate::journal;

/// Runs a task on this thread until it ends by itself; it owns all that it needs.
pub(crate) fn spawn<E: Display + 'static>(
    name: &'static str,
    task: impl Future<Output = Result<(), E>> + 'static,
) {
    drop(tokio::task::spawn_local(async move {
        if let Err(error) = task.await {
            journal::note(format_args!("{name}: {error}"));
        }
    }));
}
