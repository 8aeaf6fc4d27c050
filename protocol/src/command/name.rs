//! What each command is called, without what it was given: for metrics.

use super::{AdminCommand, AuthCommand, CertCommand, Command, KeyCommand, SessionCommand, SpaceCommand};

impl Command {
    /// Its words, as people type them.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Whoami => "whoami",
            Self::Auth(AuthCommand::Logout) => "auth logout",
            Self::List | Self::Space(SpaceCommand::List) => "list",
            Self::Space(SpaceCommand::Up(_)) => "space up",
            Self::Space(SpaceCommand::Down(_)) => "space down",
            Self::Space(SpaceCommand::Delete(_)) => "space delete",
            Self::Space(SpaceCommand::Usage(_)) => "space usage",
            Self::Space(SpaceCommand::Why(_)) => "space why",
            Self::Space(SpaceCommand::Set(_)) => "space set",
            Self::Session(SessionCommand::List(_)) => "session list",
            Self::Session(SessionCommand::Kill(_)) => "session kill",
            Self::Key(KeyCommand::List) => "key list",
            Self::Key(KeyCommand::Add(_)) => "key add",
            Self::Key(KeyCommand::Remove(_)) => "key remove",
            Self::IssueCert(_) => "issue-cert",
            Self::Cert(CertCommand::List) => "cert list",
            Self::Cert(CertCommand::Revoke(_)) => "cert revoke",
            Self::Ca => "ca",
            Self::Admin(command) => command.name(),
        }
    }
}

impl AdminCommand {
    fn name(&self) -> &'static str {
        match self {
            Self::Requests => "admin requests",
            Self::Approve(_) => "admin approve",
            Self::Deny(_) => "admin deny",
            Self::Users => "admin users",
            Self::Grant(_) => "admin grant",
            Self::IssueKey(_) => "admin issue-key",
            Self::AuthKeys => "admin auth-keys",
            Self::RevokeKey(_) => "admin revoke-key",
            Self::Spaces => "admin spaces",
            Self::CreateSpace(_) => "admin create-space",
            Self::SetBudget(_) => "admin set-budget",
            Self::SetCeiling(_) => "admin set-ceiling",
            Self::Audit(_) => "admin audit",
        }
    }
}
