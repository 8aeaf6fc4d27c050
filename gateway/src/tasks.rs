//! The one place where tasks start. Each has a name for the log; one that panics ends alone, unless it is vital.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument;

/// Starts a task under this name.
pub(crate) fn spawn<F>(name: &'static str, task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    tokio::spawn(task.instrument(tracing::debug_span!("task", name)))
}

/// Starts a task under this name, on a runtime of another thread.
pub(crate) fn spawn_on<F>(runtime: &Handle, name: &'static str, task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    runtime.spawn(task.instrument(tracing::debug_span!("task", name)))
}

/// A task that ends with its owner.
pub(crate) struct Owned(JoinHandle<()>);

impl Owned {
    /// Starts a task that is stopped when this value is dropped.
    pub(crate) fn spawn(name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(spawn(name, task))
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) {
        // A crash is an end too, and the log has it.
        drop((&mut self.0).await);
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

/// Waits until one of these ends, which vital tasks never do but by a crash.
pub(crate) async fn any_ends(tasks: &mut [Owned]) {
    let ended = futures_util::future::select_all(tasks.iter_mut().map(|task| &mut task.0)).await;
    drop(ended);
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
