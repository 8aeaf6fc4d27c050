//! Replies as text: what `ssh spaces@host` and `spaces` print alike.

use jiff::Timestamp;

use super::{
    AuditRow, AuthKeyRow, IssuedKey, KeyRow, OwnedSpaceRow, Reply, RequestRow, SessionRow, Sessions,
    SpaceRow, SpaceSettings, SpaceState, Text, UserRow, certificate,
};
use crate::table;

impl Reply {
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
            Self::AllSpaces(rows) => out(all_spaces(rows)),
            Self::SpaceIs(change) => {
                out(format!("space {} is {}\n", change.id, change.state.map_or("gone", SpaceState::as_str)))
            }
            Self::SpaceDeleted(change) => out(format!("deleted space {}\n", change.id)),
            Self::SpaceSet(settings) => {
                let SpaceSettings { id, forwarding, idle_stop, .. } = settings;
                out(format!("space {id} has forwarding {forwarding}, idle-stop {idle_stop}\n"))
            }
            Self::SpaceUses(usage) => out(usage.to_text()),
            Self::SpaceWhy(why) => out(why.to_text()),
            Self::BudgetSet(budget) => out(budget.to_text()),
            Self::CeilingSet(ceiling) => out(ceiling.to_text()),
            Self::SpaceCreated(change) => Text {
                stdout: format!("{}\n", change.id),
                stderr: format!("created space {} named {}\n", change.id, change.name),
            },
            Self::Entrance(entrance) => out(format!("{}\n", entrance.id)),
            Self::Sessions(sessions) => {
                Text { stdout: session_rows(&sessions.rows), stderr: silent(sessions) }
            }
            Self::SessionKilled(session) => out(format!("ended session {}\n", session.session)),
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
            Self::Authorities(authorities) => authorities.to_text(),
            Self::CertIssued(issued) => issued.to_text(),
            Self::Certs(rows) => out(certificate::rows(rows)),
            Self::CertRevoked(change) => out(format!("revoked certificate {}\n", change.serial)),
        }
    }
}

/// To the second: what a person compares.
pub(super) fn at(time: Timestamp) -> String {
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
                row.disk.to_string(),
                row.net.to_string(),
                row.llm_tokens.to_string(),
                at(row.created_at),
            ]
        }),
    )
}

fn all_spaces(rows: &[OwnedSpaceRow]) -> String {
    table::render(
        ["id", "name", "owner", "state", "cpu", "memory", "disk", "net", "llm_tokens", "created_at"],
        rows.iter().map(|OwnedSpaceRow { owner, space }| {
            [
                space.id.to_string(),
                space.name.to_string(),
                owner.to_string(),
                space.state.as_str().to_owned(),
                space.cpu.to_string(),
                space.memory.to_string(),
                space.disk.to_string(),
                space.net.to_string(),
                space.llm_tokens.to_string(),
                at(space.created_at),
            ]
        }),
    )
}

fn session_rows(rows: &[SessionRow]) -> String {
    table::render_with_text(
        ["id", "space", "program", "state", "size", "viewers", "created_at", "detached_at", "title"],
        rows.iter().map(|row| {
            [
                row.session.to_string(),
                row.space.to_string(),
                row.program.clone(),
                if row.detached_at.is_some() { "detached" } else { "attached" }.to_owned(),
                format!("{}x{}", row.columns, row.rows),
                row.viewers.to_string(),
                at(row.created_at),
                row.detached_at.map_or_else(String::new, at),
                row.title.clone(),
            ]
        }),
    )
}

fn silent(sessions: &Sessions) -> String {
    let lines: Vec<String> =
        sessions.silent.iter().map(|space| format!("space {space} does not answer\n")).collect();
    lines.concat()
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
    if let Some(problem) = &issued.problem {
        text.stderr.push_str(&problem.to_string());
    }
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
    use super::super::*;

    fn row() -> SpaceRow {
        SpaceRow {
            id: SpaceId::new(1),
            name: "my-room".parse().unwrap(),
            role: Role::Admin,
            state: SpaceState::Running,
            cpu: 2000,
            memory: 4096,
            disk: Allowance { used: None, limit: Some(20_000), bound: Bound::Soft },
            net: Allowance { used: Some(17), limit: Some(100_000), bound: Bound::Hard },
            llm_tokens: Allowance { used: Some(0), limit: None, bound: Bound::Hard },
            forwarding: Forwarding::Allow,
            created_at: "2026-11-22T10:00:00.123Z".parse().unwrap(),
        }
    }

    #[test]
    fn list_has_the_ten_columns_of_the_manual_and_no_blanks_in_a_cell() {
        let text = Reply::Spaces(vec![row()]).to_text();
        assert_eq!(
            text.stdout,
            "id    name     role   state    cpu   memory  disk      net        llm_tokens  created_at\n\
             sp_1  my-room  admin  running  2000  4096    -/~20000  17/100000  0/-         2026-11-22T10:00:00Z\n"
        );
        assert!(text.stdout.lines().all(|line| line.split_whitespace().count() == 10));
    }

    #[test]
    fn json_is_the_rows_themselves() {
        let json = Reply::Spaces(vec![row()]).to_json();
        assert_eq!(json.pointer("/0/id"), Some(&"sp_1".into()));
        assert_eq!(json.pointer("/0/disk/used"), Some(&serde_json::Value::Null));
        assert_eq!(json.pointer("/0/disk/bound"), Some(&"soft".into()));
        assert_eq!(json.pointer("/0/net/limit"), Some(&100_000.into()));
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
