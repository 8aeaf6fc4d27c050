//! How the store breaks. Absent and refused are not errors.

use std::error::Error;

/// The store could not answer. Nothing of the operation was kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not do it: disk full, locked for longer than the deadline, damaged, closed.
    #[error("the database is unavailable")]
    Unavailable(#[from] sqlx::Error),
    /// A value in the database is none that this program would have written.
    #[error("the database holds a value of `{column}` that cannot be read")]
    Corrupt {
        /// `table.column`.
        column: &'static str,
        /// What its parser said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
