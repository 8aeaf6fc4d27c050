//! What is true: people, device keys, auth keys, access requests, Spaces and the audit trail, in one `SQLite`
//! file and no running service.
//!
//! It owns every rule that two callers at once could break: an auth key works once, an approval happens as a
//! whole or not at all, a fingerprint belongs to one person, a Space's name is its owner's only one. It
//! refuses to tell an absent Space from a foreign one, and to keep any secret but as a hash.
//!
//! It knows no clock (every time is passed in) and no engine (what runs is the provisioner's).
//!
//! Three kinds of answer: absent is `None`, refused is a variant of the operation's own enum, broken is
//! [`StoreError`].

mod approval;
mod audit;
mod auth_keys;
mod budget;
mod ceiling;
mod certificates;
mod column;
mod error;
mod find;
mod granted;
mod idle;
mod installation;
mod keys;
mod open;
mod redeem;
mod requests;
mod settings;
mod space;
mod spaces;
mod usage;
mod users;

use sqlx::SqlitePool;

pub use approval::{Approval, Approve, NewSpace};
pub use audit::{AuditEntry, Outcome};
pub use auth_keys::{AuthKeyRow, AuthKeyState, Grant, Issue, NewAuthKey, Revoke};
pub use budget::{Budget, BudgetChange, SetBudget};
pub use ceiling::{Ceiling, CeilingChange, Overdraft, Resource, Share};
pub use certificates::{CertificateRow, Certify, NewCertificate, Standing};
pub use error::StoreError;
pub use find::{AnySpace, FindSpace, Pass};
pub use granted::Granted;
pub use idle::Hold;
pub use installation::InstallationId;
pub use keys::{AddKey, DeviceKey, LastKey, NewDeviceKey, RemoveKey};
pub use redeem::Redeem;
pub use requests::{Recorded, RequestRow};
pub use settings::{Settings, SettingsChange};
pub use space::{Desired, Limits, Observed, Space, SpaceSpec};
pub use spaces::CreateSpace;
pub use usage::{Counter, Measured, Month, Usage};
pub use users::{User, UserId, UserRow};

/// The open database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    /// `SQLite` has one writer at a time. Ours queue here, in order; left to `SQLite` they would poll for its lock.
    writer: SqlitePool,
    /// Cannot write (`query_only`), and never waits for the writer (WAL).
    readers: SqlitePool,
}
