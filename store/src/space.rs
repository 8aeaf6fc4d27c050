//! A Space as the store knows it: what it is made of, what it should be, what was last seen of it.
//!
//! ```text
//! desired   running <-> stopped, asleep --> deleted (final; the row goes once the engine has nothing left)
//! observed  absent --> running <-> stopped,  each --> missing, failed
//! ```

use std::num::{NonZeroU32, NonZeroU64};

use jiff::Timestamp;
use spaces_protocol::name::{Email, SpaceId, SpaceName};
use spaces_protocol::setting::{Forwarding, IdleStop};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::column::{UnknownWord, instant, long, parsed, unsigned, words};
use crate::idle::{read_hold, read_idle_stop};
use crate::{Budget, Hold, StoreError, Usage, UserId};

/// What a Space is made of, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceSpec {
    /// The image its filesystem starts from; frozen when it is made.
    pub image: String,
    /// What it may use.
    pub budget: Budget,
}

/// What a Space should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Desired {
    /// Up.
    Running,
    /// Down, with its data, until a person says otherwise.
    Stopped,
    /// Down, with its data, until somebody enters: it had nothing to do since that moment.
    Asleep(Timestamp),
    /// Gone, with its data. Final.
    Deleted,
}

impl Desired {
    /// The word of its column. What tells sleep from a person's stop is a column of its own.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped | Self::Asleep(_) => "stopped",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn asleep_at(self) -> Option<i64> {
        match self {
            Self::Asleep(since) => Some(since.as_millisecond()),
            Self::Running | Self::Stopped | Self::Deleted => None,
        }
    }

    fn read(word: &str, asleep_at: Option<i64>) -> Result<Self, StoreError> {
        match (word, asleep_at) {
            ("running", _) => Ok(Self::Running),
            ("stopped", None) => Ok(Self::Stopped),
            ("stopped", Some(since)) => Ok(Self::Asleep(instant("spaces.asleep_at", since)?)),
            ("deleted", _) => Ok(Self::Deleted),
            _ => Err(StoreError::Corrupt { column: "spaces.desired", source: UnknownWord.into() }),
        }
    }
}

words! {
    /// What was last seen of a Space.
    pub enum Observed {
        /// Never made yet.
        Absent = "absent",
        /// Up.
        Running = "running",
        /// Down.
        Stopped = "stopped",
        /// Was made, and the engine no longer has it.
        Missing = "missing",
        /// The last attempt failed.
        Failed = "failed",
    }
}

words! {
    /// Whether a Space is held to the limits that are set for it.
    pub enum Limits {
        /// It is, or will be from its making on.
        Bind = "bind",
        /// They were set anew, and the engine may not know.
        Due = "due",
    }
}

/// A Space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its id; never used twice.
    pub id: SpaceId,
    /// Its name; its owner's only one of that name.
    pub name: SpaceName,
    /// Whose it is.
    pub owner: UserId,
    /// Whose it is, for people.
    pub owner_email: Email,
    /// What it should be.
    pub desired: Desired,
    /// What was last seen of it.
    pub observed: Observed,
    /// What it is made of.
    pub spec: SpaceSpec,
    /// What it has used.
    pub usage: Usage,
    /// Whether it is held to that budget.
    pub limits: Limits,
    /// Whether people may forward into and out of it.
    pub forwarding: Forwarding,
    /// After how long without work it is stopped.
    pub idle_stop: IdleStop,
    /// What keeps it up without work.
    pub hold: Option<Hold>,
    /// When its owner got it.
    pub created_at: Timestamp,
}

impl Space {
    /// What a row of `select_spaces!` says. Text is parsed where it lies: lists of all Spaces read very many rows.
    pub(crate) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: SpaceId::new(row.try_get("id")?),
            name: parsed("spaces.name", row.try_get("name")?)?,
            owner: UserId(row.try_get("owner_id")?),
            owner_email: parsed("users.email", row.try_get("owner_email")?)?,
            desired: Desired::read(row.try_get("desired")?, row.try_get("asleep_at")?)?,
            observed: parsed("spaces.observed", row.try_get("observed")?)?,
            spec: SpaceSpec { image: row.try_get("image")?, budget: read_budget(row)? },
            usage: Usage::read(row)?,
            limits: parsed("spaces.limits", row.try_get("limits")?)?,
            forwarding: parsed("spaces.forwarding", row.try_get("forwarding")?)?,
            idle_stop: read_idle_stop(row.try_get("idle_stop")?)?,
            hold: read_hold(row.try_get("hold_until")?, row.try_get("hold_reason")?)?,
            created_at: instant("spaces.created_at", row.try_get("created_at")?)?,
        })
    }
}

fn read_budget(row: &SqliteRow) -> Result<Budget, StoreError> {
    Ok(Budget {
        cpu_millis: unsigned("spaces.cpu_millis", row.try_get("cpu_millis")?)?,
        memory_mib: unsigned("spaces.memory_mib", row.try_get("memory_mib")?)?,
        pids: unsigned("spaces.pids", row.try_get("pids")?)?,
        disk_mb: NonZeroU32::new(unsigned("spaces.disk_mb", row.try_get("disk_mb")?)?),
        egress_mb: NonZeroU32::new(unsigned("spaces.egress_mb", row.try_get("egress_mb")?)?),
        egress_mbit: NonZeroU32::new(unsigned("spaces.egress_mbit", row.try_get("egress_mbit")?)?),
        llm_tokens: NonZeroU64::new(long("spaces.llm_tokens", row.try_get("llm_tokens")?)?),
    })
}
