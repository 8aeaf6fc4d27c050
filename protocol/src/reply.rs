//! What a command answers: typed, and rendered once, here, so that `ssh spaces@host list` and `spaces list`
//! cannot differ.

use jiff::Timestamp;
use serde::Serialize;

use crate::auth_key::AuthKey;
use crate::failure::Failure;
use crate::name::{AuthKeyId, Email, Fingerprint, KeyName, Reason, Role, SpaceId, SpaceName};
use crate::session::SessionNumber;
use crate::setting::{Forwarding, IdleStop};

mod budget;
mod certificate;
mod text;
mod usage;

pub use budget::{Allowance, Bound, Budget, Ceiling, Share};

pub use certificate::{Authorities, CertificateChange, CertificateRow, IssuedCertificate};
pub use usage::{Reason as WhyReason, Usage, Why};

/// A command's answer. Serialised it is what `--json` prints.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[expect(
    missing_docs,
    reason = "each variant is named after the command that it answers, and shown by its text"
)]
pub enum Reply {
    Recorded(Recorded),
    WhoAmI(Person),
    LoggedIn(LoggedIn),
    LoggedOut(KeyChange),
    Spaces(Vec<SpaceRow>),
    AllSpaces(Vec<OwnedSpaceRow>),
    SpaceIs(SpaceChange),
    SpaceDeleted(SpaceChange),
    SpaceCreated(SpaceChange),
    SpaceSet(SpaceSettings),
    SpaceUses(Box<Usage>),
    SpaceWhy(Why),
    BudgetSet(Budget),
    CeilingSet(Ceiling),
    Entrance(Entrance),
    Sessions(Sessions),
    SessionKilled(SessionChange),
    Keys(Vec<KeyRow>),
    KeyAdded(KeyChange),
    KeyRemoved(KeyChange),
    Requests(Vec<RequestRow>),
    Approved(IssuedKey),
    KeyIssued(IssuedKey),
    Denied(Person),
    Granted(Person),
    Users(Vec<UserRow>),
    AuthKeys(Vec<AuthKeyRow>),
    AuthKeyRevoked(AuthKeyChange),
    Audit(Vec<AuditRow>),
    Authorities(Authorities),
    CertIssued(IssuedCertificate),
    Certs(Vec<CertificateRow>),
    CertRevoked(CertificateChange),
}

/// The answer to `request`: the same for every e-mail.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Always true.
    pub recorded: bool,
}

/// One person.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    /// Who.
    pub email: Email,
    /// Whether that person runs the platform.
    pub platform_admin: bool,
}

/// After `login`.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedIn {
    /// Who.
    pub email: Email,
    /// The key that was registered.
    pub fingerprint: Fingerprint,
}

/// What a Space is doing, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are explained in the manual, specs/space.spec.md")]
pub enum SpaceState {
    Starting,
    Running,
    Stopping,
    Stopped,
    Asleep,
    Deleting,
    Missing,
    Failed,
}

impl SpaceState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Asleep => "asleep",
            Self::Deleting => "deleting",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// A row of `list`.
#[derive(Debug, Clone, Serialize)]
pub struct SpaceRow {
    /// Its id.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
    /// The asking person's role in it.
    pub role: Role,
    /// What it is doing.
    pub state: SpaceState,
    /// Processor limit, in thousandths of a core.
    pub cpu: u32,
    /// Memory limit, swap included, in MiB.
    pub memory: u32,
    /// Disk, in MB.
    pub disk: Allowance,
    /// What went out this month, in MB.
    pub net: Allowance,
    /// Tokens of language models.
    pub llm_tokens: Allowance,
    /// Whether people may forward into and out of it. In JSON alone: a column each would be too many.
    pub forwarding: Forwarding,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A row of `admin spaces`.
#[derive(Debug, Clone, Serialize)]
pub struct OwnedSpaceRow {
    /// Whose it is.
    pub owner: Email,
    /// The rest, as its owner sees it.
    #[serde(flatten)]
    pub space: SpaceRow,
}

/// What happened to a Space.
#[derive(Debug, Clone, Serialize)]
pub struct SpaceChange {
    /// Which.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
    /// Its state now; none where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<SpaceState>,
}

/// What is set for a Space now.
#[derive(Debug, Clone, Serialize)]
pub struct SpaceSettings {
    /// Which.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
    /// Whether people may forward into and out of it.
    pub forwarding: Forwarding,
    /// After how long without work it is stopped.
    pub idle_stop: IdleStop,
}

/// Where `connect` leads: a Space that runs, whose id is the login name to enter it by.
#[derive(Debug, Clone, Serialize)]
pub struct Entrance {
    /// Its id.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
}

/// What `session list` found.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Sessions {
    /// Those that were told of.
    pub rows: Vec<SessionRow>,
    /// Spaces that run and did not tell.
    #[serde(skip)]
    pub silent: Vec<SpaceName>,
}

/// A row of `session list`.
#[derive(Debug, Clone, Serialize)]
pub struct SessionRow {
    /// Its number in its Space.
    pub session: SessionNumber,
    /// Which Space.
    pub space: SpaceName,
    /// The program in its foreground.
    pub program: String,
    /// How many see it now.
    pub viewers: u32,
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when nobody goes on in it.
    pub detached_at: Option<Timestamp>,
    /// What its program calls its window.
    pub title: String,
}

/// What happened to a session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionChange {
    /// As it was named.
    pub session: String,
    /// In which Space.
    pub space: SpaceName,
}

/// A row of `key list`.
#[derive(Debug, Clone, Serialize)]
pub struct KeyRow {
    /// What its owner calls it.
    pub name: KeyName,
    /// As OpenSSH prints it.
    pub fingerprint: Fingerprint,
    /// Registered.
    pub created_at: Timestamp,
    /// Last seen in a login.
    pub last_used_at: Option<Timestamp>,
    /// Whether this very session came with it.
    pub current: bool,
}

/// What happened to a device key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyChange {
    /// Which.
    pub fingerprint: Fingerprint,
}

/// A row of `admin requests`.
#[derive(Debug, Clone, Serialize)]
pub struct RequestRow {
    /// Who asks, by their own word.
    pub email: Email,
    /// When.
    pub created_at: Timestamp,
    /// From which address.
    pub from: String,
    /// Why.
    pub reason: Reason,
}

/// A new auth key: the one time that it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct IssuedKey {
    /// Its id, to revoke it by.
    pub id: AuthKeyId,
    /// For whom.
    pub email: Email,
    /// The secret line.
    #[serde(serialize_with = "in_full")]
    pub auth_key: AuthKey,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
    /// The Space that approval made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<SpaceChange>,
    /// Why that Space does not run yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Failure>,
}

fn in_full<S: serde::Serializer>(key: &AuthKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// A row of `admin users`.
#[derive(Debug, Clone, Serialize)]
pub struct UserRow {
    /// Who.
    pub email: Email,
    /// Whether that person runs the platform.
    pub platform_admin: bool,
    /// How many Spaces they own.
    pub spaces: u32,
    /// How many device keys they have.
    pub keys: u32,
    /// When they came.
    pub created_at: Timestamp,
}

/// Whether an auth key can still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum AuthKeyState {
    Open,
    Used,
    Expired,
    Revoked,
}

impl AuthKeyState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A row of `admin auth-keys`.
#[derive(Debug, Clone, Serialize)]
pub struct AuthKeyRow {
    /// Its id.
    pub id: AuthKeyId,
    /// For whom.
    pub email: Email,
    /// The role it gives.
    pub role: Role,
    /// The Space it lets into.
    pub space: Option<SpaceId>,
    /// Whether it can still be used.
    pub state: AuthKeyState,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What happened to an auth key.
#[derive(Debug, Clone, Serialize)]
pub struct AuthKeyChange {
    /// Which.
    pub id: AuthKeyId,
}

/// A row of `admin audit`.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who; none before somebody is known.
    pub actor: Option<Email>,
    /// With which key.
    pub key: Option<Fingerprint>,
    /// From which address.
    pub from: Option<String>,
    /// What, as `noun.verb`.
    pub action: String,
    /// To what.
    pub target: Option<String>,
    /// How it ended: done, refused, failed.
    pub outcome: &'static str,
    /// More, for the operator.
    pub detail: Option<String>,
}

/// A reply as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// Data, for standard output.
    pub stdout: String,
    /// News, for standard error.
    pub stderr: String,
}

impl Reply {
    /// What `--json` prints: one line.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Serialising these types cannot fail: no maps with odd keys, no fallible impl.
        serde_json::to_value(self).unwrap_or_default()
    }
}
