//! What a command answers: typed, and rendered once, here, so that `ssh spaces@host list` and `spaces list`
//! cannot differ.

use jiff::Timestamp;
use serde::Serialize;

use crate::auth_key::AuthKey;
use crate::name::{AuthKeyId, Email, Fingerprint, KeyName, Reason, Role, SpaceId, SpaceName};
use crate::table;

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
    SpaceIs(SpaceChange),
    SpaceDeleted(SpaceChange),
    SpaceCreated(SpaceChange),
    Entrance(Entrance),
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
    /// Disk budget in MB; none is set yet.
    pub disk: Option<String>,
    /// Egress budget in MB; none is set yet.
    pub net: Option<String>,
    /// Token budget; none is set yet.
    pub llm_tokens: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
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

/// Where `connect` leads: a Space that runs, whose id is the login name to enter it by.
#[derive(Debug, Clone, Serialize)]
pub struct Entrance {
    /// Its id.
    pub id: SpaceId,
    /// Its name.
    pub name: SpaceName,
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

    /// What a person reads.
    #[must_use]
    pub fn to_text(&self) -> Text {
        let out = |stdout: String| Text { stdout, stderr: String::new() };
        match self {
            Self::Recorded(_) => out("recorded: a platform admin will look at your request\n".to_owned()),
            Self::WhoAmI(person) => out(format!("{}\n", person.email)),
            Self::LoggedIn(login) => Text {
                stdout: format!("authenticated as {}\n", login.email),
                stderr: format!("registered key {}\n", login.fingerprint),
            },
            Self::LoggedOut(key) => Text {
                stdout: "logged out\n".to_owned(),
                stderr: format!("unregistered key {}\n", key.fingerprint),
            },
            Self::Spaces(rows) => out(spaces(rows)),
            Self::SpaceIs(change) => {
                out(format!("space {} is {}\n", change.id, change.state.map_or("gone", SpaceState::as_str)))
            }
            Self::SpaceDeleted(change) => out(format!("deleted space {}\n", change.id)),
            Self::SpaceCreated(change) => Text {
                stdout: format!("{}\n", change.id),
                stderr: format!("created space {} named {}\n", change.id, change.name),
            },
            Self::Entrance(entrance) => out(format!("{}\n", entrance.id)),
            Self::Keys(rows) => out(keys(rows)),
            Self::KeyAdded(key) => out(format!("added key {}\n", key.fingerprint)),
            Self::KeyRemoved(key) => out(format!("removed key {}\n", key.fingerprint)),
            Self::Requests(rows) => out(requests(rows)),
            Self::Approved(issued) => approved(issued),
            Self::KeyIssued(issued) => key_issued(issued),
            Self::Denied(person) => out(format!("denied {}\n", person.email)),
            Self::Granted(person) => out(format!("{} is a platform admin\n", person.email)),
            Self::Users(rows) => out(users(rows)),
            Self::AuthKeys(rows) => out(auth_keys(rows)),
            Self::AuthKeyRevoked(key) => out(format!("revoked auth key {}\n", key.id)),
            Self::Audit(rows) => out(audit(rows)),
        }
    }
}

/// To the second: what a person compares.
fn at(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn spaces(rows: &[SpaceRow]) -> String {
    table::render(
        ["id", "name", "role", "state", "cpu", "memory", "disk", "net", "llm_tokens", "created_at"],
        rows.iter().map(|row| {
            [
                row.id.to_string(),
                row.name.to_string(),
                row.role.to_string(),
                row.state.as_str().to_owned(),
                row.cpu.to_string(),
                row.memory.to_string(),
                or_dash(row.disk.as_ref()),
                or_dash(row.net.as_ref()),
                or_dash(row.llm_tokens.as_ref()),
                at(row.created_at),
            ]
        }),
    )
}

fn keys(rows: &[KeyRow]) -> String {
    table::render(
        ["name", "fingerprint", "created_at", "last_used_at", "current"],
        rows.iter().map(|row| {
            [
                row.name.to_string(),
                row.fingerprint.to_string(),
                at(row.created_at),
                row.last_used_at.map_or_else(String::new, at),
                if row.current { "yes" } else { "no" }.to_owned(),
            ]
        }),
    )
}

fn requests(rows: &[RequestRow]) -> String {
    table::render_with_text(
        ["email", "created_at", "from", "reason"],
        rows.iter()
            .map(|row| [row.email.to_string(), at(row.created_at), row.from.clone(), row.reason.to_string()]),
    )
}

fn users(rows: &[UserRow]) -> String {
    table::render(
        ["email", "role", "spaces", "keys", "created_at"],
        rows.iter().map(|row| {
            let role = if row.platform_admin { "platform-admin" } else { "user" };
            [
                row.email.to_string(),
                role.to_owned(),
                row.spaces.to_string(),
                row.keys.to_string(),
                at(row.created_at),
            ]
        }),
    )
}

fn auth_keys(rows: &[AuthKeyRow]) -> String {
    table::render(
        ["id", "email", "role", "space", "state", "expires_at"],
        rows.iter().map(|row| {
            [
                row.id.to_string(),
                row.email.to_string(),
                row.role.to_string(),
                or_dash(row.space.as_ref()),
                row.state.as_str().to_owned(),
                at(row.expires_at),
            ]
        }),
    )
}

fn audit(rows: &[AuditRow]) -> String {
    table::render_with_text(
        ["at", "actor", "from", "action", "target", "outcome", "key", "detail"],
        rows.iter().map(|row| {
            [
                at(row.at),
                or_dash(row.actor.as_ref()),
                or_dash(row.from.as_ref()),
                row.action.clone(),
                or_dash(row.target.as_ref()),
                row.outcome.to_owned(),
                or_dash(row.key.as_ref()),
                or_dash(row.detail.as_ref()),
            ]
        }),
    )
}

fn approved(issued: &IssuedKey) -> Text {
    let mut text = key_issued(issued);
    let space = issued.space.as_ref().map_or_else(
        || format!("approved {}\n", issued.email),
        |space| {
            let state = space.state.map_or("gone", SpaceState::as_str);
            format!("approved {}: space {} named {} is {state}\n", issued.email, space.id, space.name)
        },
    );
    text.stderr.insert_str(0, &space);
    text
}

/// The key alone is data, so that it can be captured; what to know about it is news.
fn key_issued(issued: &IssuedKey) -> Text {
    Text {
        stdout: format!("{}\n", issued.auth_key),
        stderr: format!(
            "auth key {} for {} works once, until {}; it is not shown again\n",
            issued.id,
            issued.email,
            at(issued.expires_at)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> SpaceRow {
        SpaceRow {
            id: SpaceId::new(1),
            name: "my-room".parse().unwrap(),
            role: Role::Admin,
            state: SpaceState::Running,
            cpu: 2000,
            memory: 4096,
            disk: None,
            net: None,
            llm_tokens: None,
            created_at: "2026-11-22T10:00:00.123Z".parse().unwrap(),
        }
    }

    #[test]
    fn list_has_the_ten_columns_of_the_manual_and_no_blanks_in_a_cell() {
        let text = Reply::Spaces(vec![row()]).to_text();
        assert_eq!(
            text.stdout,
            "id    name     role   state    cpu   memory  disk  net  llm_tokens  created_at\n\
             sp_1  my-room  admin  running  2000  4096    -     -    -           2026-11-22T10:00:00Z\n"
        );
        assert!(text.stdout.lines().all(|line| line.split_whitespace().count() == 10));
    }

    #[test]
    fn json_is_the_rows_themselves() {
        let json = Reply::Spaces(vec![row()]).to_json();
        assert_eq!(json.pointer("/0/id"), Some(&"sp_1".into()));
        assert_eq!(json.pointer("/0/disk"), Some(&serde_json::Value::Null));
    }

    #[test]
    fn a_request_shows_its_reason_without_letting_it_steer_the_terminal() {
        let request = RequestRow {
            email: "a@b.c".parse().unwrap(),
            created_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            from: "127.0.0.1".to_owned(),
            reason: "build a | b".parse().unwrap(),
        };
        assert_eq!(
            Reply::Requests(vec![request]).to_text().stdout,
            "email  created_at            from       reason\n\
             a@b.c  2026-11-22T10:00:00Z  127.0.0.1  build a | b\n"
        );
    }
}
