//! What the holder of a certificate may do: decided here, all of it. A device key may do whatever its person may.
//!
//! A certificate is lent: it must not be able to make itself permanent, so it neither adds nor removes keys, issues
//! nothing, and is never an admin's.

use spaces_protocol::certificate::ForcedCommand;
use spaces_protocol::command::{AuthCommand, CertCommand, Command, KeyCommand, SessionCommand, SpaceCommand};
use spaces_protocol::frame::Program;
use spaces_protocol::name::SpaceId;

/// What sshd calls its own SFTP server, where a command is forced.
const SFTP: &str = "internal-sftp";

/// Where the command that was asked for goes when another one runs.
pub(crate) const ORIGINAL_COMMAND: &str = "SSH_ORIGINAL_COMMAND";

/// What a certificate says of what its holder may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restrictions {
    /// The one Space that may be entered.
    pub(crate) space: Option<SpaceId>,
    /// The one command that runs.
    pub(crate) command: Option<ForcedCommand>,
    pub(crate) terminal: Permit,
    pub(crate) forwards: Permit,
    pub(crate) agent: Permit,
    pub(crate) display: Permit,
}

/// Whether a certificate has the extension that allows something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    Given,
    Withheld,
}

/// Something that a person asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish<'a> {
    /// To log in at the console.
    Console,
    /// To enter this Space.
    Enter(SpaceId),
    Terminal,
    Forward,
    /// To lend an agent.
    Agent,
    /// To lend an X display.
    Display,
    /// To have this done.
    Run(&'a Command),
}

impl Restrictions {
    /// Whether they leave room for this.
    pub(crate) fn allow(&self, wish: Wish<'_>) -> bool {
        let everywhere = self.space.is_none() && self.command.is_none();
        match wish {
            Wish::Console => everywhere,
            Wish::Enter(space) => self.space.is_none_or(|only| only == space),
            Wish::Terminal => self.terminal == Permit::Given,
            Wish::Forward => self.forwards == Permit::Given,
            Wish::Agent => self.agent == Permit::Given,
            Wish::Display => self.display == Permit::Given,
            Wish::Run(command) => everywhere && is_lent(command),
        }
    }

    /// The program that runs where this one was asked for, and what is then left to tell it of the wish. As sshd does
    /// it.
    pub(crate) fn instead_of(&self, program: Program) -> (Program, Option<String>) {
        let Some(forced) = &self.command else { return (program, None) };
        let asked = match program {
            Program::LoginShell => None,
            Program::Command(line) => Some(String::from_utf8_lossy(&line).into_owned()),
            Program::Sftp => Some(SFTP.to_owned()),
        };
        let program = match forced.as_str() {
            SFTP => Program::Sftp,
            line => Program::Command(line.as_bytes().to_vec()),
        };
        (program, asked)
    }
}

/// What a certificate can do at the console, and what takes a device key.
fn is_lent(command: &Command) -> bool {
    match command {
        Command::Whoami
        | Command::Ca
        | Command::List
        | Command::Space(
            SpaceCommand::List
            | SpaceCommand::Up(_)
            | SpaceCommand::Down(_)
            | SpaceCommand::Usage(_)
            | SpaceCommand::Why(_),
        )
        | Command::Session(SessionCommand::List(_) | SessionCommand::Kill(_))
        | Command::Key(KeyCommand::List)
        | Command::Cert(CertCommand::List)
        | Command::Request(_) => true,
        Command::Auth(AuthCommand::Logout)
        | Command::Space(SpaceCommand::Delete(_) | SpaceCommand::Set(_))
        | Command::Key(KeyCommand::Add(_) | KeyCommand::Remove(_))
        | Command::IssueCert(_)
        | Command::Cert(CertCommand::Revoke(_))
        | Command::Admin(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use spaces_protocol::command::{ConsoleCommand, Parsed, parse_console_line};

    use super::*;

    fn unlimited() -> Restrictions {
        let given = Permit::Given;
        Restrictions {
            space: None,
            command: None,
            terminal: given,
            forwards: given,
            agent: given,
            display: given,
        }
    }

    fn runs(restrictions: &Restrictions, line: &str) -> bool {
        let Parsed::Command(line) = parse_console_line(line.as_bytes()).unwrap() else { panic!("{line}") };
        match line.command {
            ConsoleCommand::Shared(command) => restrictions.allow(Wish::Run(&command)),
            ConsoleCommand::IssueCert(arguments) => {
                restrictions.allow(Wish::Run(&Command::IssueCert(arguments)))
            }
            ConsoleCommand::Login(_) | ConsoleCommand::Connect(_) => panic!("not among them"),
        }
    }

    #[test]
    fn a_certificate_cannot_make_itself_permanent() {
        for line in [
            "key add",
            "key remove SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "auth logout",
            "issue-cert",
            "cert revoke 1",
            "space set --space sp_1 --forwarding allow",
            "space delete --space sp_1",
            "admin users",
            "admin issue-key a@b.c --role admin",
        ] {
            assert!(!runs(&unlimited(), line), "{line}");
        }
        for line in ["whoami", "ca", "list", "space up --space sp_1", "key list", "cert list"] {
            assert!(runs(&unlimited(), line), "{line}");
        }
    }

    #[test]
    fn one_for_a_space_or_a_command_has_no_console() {
        let space = Restrictions { space: Some(SpaceId::new(1)), ..unlimited() };
        let command = Restrictions { command: Some("make".parse().unwrap()), ..unlimited() };
        for limited in [&space, &command] {
            assert!(!limited.allow(Wish::Console) && !runs(limited, "whoami"));
        }
        assert!(space.allow(Wish::Enter(SpaceId::new(1))) && !space.allow(Wish::Enter(SpaceId::new(2))));
        assert!(unlimited().allow(Wish::Console) && unlimited().allow(Wish::Enter(SpaceId::new(2))));
    }

    #[test]
    fn what_is_not_permitted_is_denied() {
        let withheld = Permit::Withheld;
        let bare = Restrictions {
            terminal: withheld,
            forwards: withheld,
            agent: withheld,
            display: withheld,
            ..unlimited()
        };
        for wish in [Wish::Terminal, Wish::Forward, Wish::Agent, Wish::Display] {
            assert!(unlimited().allow(wish) && !bare.allow(wish), "{wish:?}");
        }
    }

    #[test]
    fn a_forced_command_runs_whatever_was_asked_for() {
        let command = |line: &str| Program::Command(line.as_bytes().to_vec());
        let forced = |forced: &str| Restrictions { command: Some(forced.parse().unwrap()), ..unlimited() };
        assert_eq!(unlimited().instead_of(command("ls")), (command("ls"), None));
        assert_eq!(forced("make").instead_of(command("ls")), (command("make"), Some("ls".to_owned())));
        assert_eq!(forced("make").instead_of(Program::LoginShell), (command("make"), None));
        let sftp = || Some("internal-sftp".to_owned());
        assert_eq!(forced("make").instead_of(Program::Sftp), (command("make"), sftp()));
        assert_eq!(forced("internal-sftp").instead_of(Program::Sftp), (Program::Sftp, sftp()));
        assert_eq!(forced("internal-sftp").instead_of(Program::LoginShell), (Program::Sftp, None));
    }
}
