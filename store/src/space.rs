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

use crate::column::{UnknownWord, instant, long, parsed, unsigned, words};
use crate::idle::{read_hold, read_idle_stop};
use crate::usage::UsageColumns;
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

#[derive(sqlx::FromRow)]
pub(crate) struct StoredSpace {
    id: i64,
    name: String,
    owner_id: i64,
    owner_email: String,
    desired: String,
    observed: String,
    image: String,
    cpu_millis: i64,
    memory_mib: i64,
    pids: i64,
    disk_mb: i64,
    egress_mb: i64,
    egress_mbit: i64,
    llm_tokens: i64,
    limits: String,
    forwarding: String,
    idle_stop: Option<i64>,
    asleep_at: Option<i64>,
    hold_until: Option<i64>,
    hold_reason: Option<String>,
    created_at: i64,
    #[sqlx(flatten)]
    usage: UsageColumns,
}

impl StoredSpace {
    pub(crate) fn read(self) -> Result<Space, StoreError> {
        Ok(Space {
            id: SpaceId::new(self.id),
            name: parsed("spaces.name", &self.name)?,
            owner: UserId(self.owner_id),
            owner_email: parsed("users.email", &self.owner_email)?,
            desired: Desired::read(&self.desired, self.asleep_at)?,
            observed: parsed("spaces.observed", &self.observed)?,
            spec: SpaceSpec {
                image: self.image,
                budget: Budget {
                    cpu_millis: unsigned("spaces.cpu_millis", self.cpu_millis)?,
                    memory_mib: unsigned("spaces.memory_mib", self.memory_mib)?,
                    pids: unsigned("spaces.pids", self.pids)?,
                    disk_mb: NonZeroU32::new(unsigned("spaces.disk_mb", self.disk_mb)?),
                    egress_mb: NonZeroU32::new(unsigned("spaces.egress_mb", self.egress_mb)?),
                    egress_mbit: NonZeroU32::new(unsigned("spaces.egress_mbit", self.egress_mbit)?),
                    llm_tokens: NonZeroU64::new(long("spaces.llm_tokens", self.llm_tokens)?),
                },
            },
            usage: self.usage.read()?,
            limits: parsed("spaces.limits", &self.limits)?,
            forwarding: parsed("spaces.forwarding", &self.forwarding)?,
            idle_stop: read_idle_stop(
                self.idle_stop.map(|seconds| long("spaces.idle_stop", seconds)).transpose()?,
            ),
            hold: read_hold(self.hold_until, self.hold_reason)?,
            created_at: instant("spaces.created_at", self.created_at)?,
        })
    }
}
