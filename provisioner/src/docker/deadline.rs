//! The deadline of each call to the engine.

use std::future::Future;
use std::time::Duration;

use crate::ProvisionError;

/// For one call. The slowest ordinary one, a start on a busy host, takes a few seconds.
pub(super) const CALL: Duration = Duration::from_secs(30);

/// Waits for an answer of the engine, no longer than `limit`.
pub(super) async fn within<T>(
    what: &'static str,
    limit: Duration,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, ProvisionError> {
    match tokio::time::timeout(limit, call).await {
        Ok(outcome) => outcome.map_err(|fault| ProvisionError::new(what, fault)),
        Err(_elapsed) => Err(ProvisionError::DeadlineExceeded { what }),
    }
}
