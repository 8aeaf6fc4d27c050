//! How many files this process may have open: a descriptor for each connection, one more for each channel and another
//! while its Space reads nothing, and up to fifteen for each Space that runs.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

/// Raises the limit as far as the system allows: a login shell's 1,024 are fewer than the connections that we take.
pub(crate) fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        Ok(hard)
    });
    match raised {
        Ok(limit) => info!(limit, "open files"),
        Err(error) => warn!(%error, "the limit of open files stays as it is"),
    }
}
