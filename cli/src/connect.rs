//! `spaces connect`: the gateway makes sure that the Space runs, then the local `ssh` enters it: at a terminal in a
//! session that the Space holds, and otherwise as `ssh REF@host` does.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use spaces_protocol::command::{
    Command, ConnectArguments as Target, SessionArguments, SessionCommand, SessionListArguments,
};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{SpaceId, SpaceReference};
use spaces_protocol::wire::RequestCommand;

use crate::arguments::ConnectArguments;
use crate::gateway::Gateway;
use crate::run::connected;
use crate::settings::Settings;
mod held;
mod ssh;
mod words;

pub(crate) use ssh::{HOST_KEY_ALIAS, Terminal, Way};

/// Enters a Space.
pub(crate) async fn connect(settings: &Settings, arguments: ConnectArguments) -> Result<ExitCode, Failure> {
    let mut session = settings.session()?;
    let space = arguments.space.or_else(|| session.default_space.clone());
    let gateway = connected(settings, &session).await?;
    let target = Target { space, ..Target::default() };
    let done = gateway.request(RequestCommand::Connect(target)).await?;
    let id = done.data.get("id").and_then(|id| id.as_str()).and_then(|id| id.parse::<SpaceId>().ok());
    let id = id.ok_or_else(|| Failure::new(Code::Internal, "the gateway did not say which space"))?;
    if arguments.default {
        // By id: a name can come to mean another Space.
        session.default_space = Some(SpaceReference::Id(id));
        session.save(settings.session_file())?;
    }
    let way = Way::of(settings, &session)?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let line = words::line(&arguments.command);
    let text = line.as_ref().map(|line| line.to_str());
    match (terminal, text) {
        (true, None | Some(Some(_))) => {
            let wanted = which(&gateway, id, arguments.session).await?;
            drop(gateway);
            held::enter(&way, id, &wanted, text.flatten())
        }
        // Commands that are no text have no place in a line for the gateway.
        (false, _) | (true, Some(None)) if arguments.session.wanted().is_none() => {
            let terminal = if terminal { Terminal::Wanted } else { Terminal::None };
            let mut ssh = way.command(&id.to_string(), terminal);
            ssh.args(line.iter().flat_map(|line| [OsStr::new("--"), line]));
            Err(way.cannot_run(&ssh.exec()))
        }
        (false, _) | (true, Some(None)) => {
            Err(Failure::new(Code::Usage, "a session is shown on a terminal").hint("run `connect` in one"))
        }
    }
}

/// `--attach` alone means the one that was left last, which has to have a number to come back to.
async fn which(
    gateway: &Gateway,
    id: SpaceId,
    mut session: SessionArguments,
) -> Result<SessionArguments, Failure> {
    if session.attach == Some(None) {
        let space = Some(SpaceReference::Id(id));
        let list = Command::Session(SessionCommand::List(SessionListArguments { space }));
        let done = gateway.request(RequestCommand::Shared(list)).await?;
        let rows = done.data.as_array().map(Vec::as_slice).unwrap_or_default();
        let left =
            |row: &&serde_json::Value| row.get("detached_at").and_then(|at| at.as_str()).map(str::to_owned);
        let newest = rows.iter().filter(|row| left(row).is_some()).max_by_key(left);
        let number = newest.and_then(|row| row.get("session")?.as_u64()?.to_string().parse().ok());
        session.attach = Some(Some(number.ok_or_else(|| {
            Failure::new(Code::NotFound, "no session is detached")
                .hint("`session list` shows those that are there; `connect` alone begins one")
        })?));
    }
    Ok(session)
}
