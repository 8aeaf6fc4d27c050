//! Commands that the gateway answers.

use std::io::{IsTerminal as _, Read};

use spaces_protocol::command::{Command, KeyCommand, SpaceCommand};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::SpaceReference;
use spaces_protocol::wire::RequestCommand;

use crate::gateway::{Done, Gateway};
use crate::host_key::Trust;
use crate::session::Session;
use crate::settings::Settings;
use crate::{login, show, ssh_config};

/// Longest public key file read.
const MAX_INPUT: u64 = 64 * 1024;

/// Runs one command and shows its answer.
pub(crate) async fn run(settings: &Settings, command: Command, json: bool) -> Result<(), Failure> {
    let command = complete(settings, command).await?;
    let done = if matches!(command, Command::Request(_)) {
        as_stranger(settings, command).await?
    } else {
        let session = settings.session()?;
        let lists = matches!(command, Command::List | Command::Space(SpaceCommand::List));
        let done = ask(settings, &session, command).await?;
        if lists {
            ssh_config::refresh(settings, &session, &done.data);
        }
        done
    };
    show::done(&done, json)
}

/// Sends a command as the person of this session.
pub(crate) async fn ask(settings: &Settings, session: &Session, command: Command) -> Result<Done, Failure> {
    connected(settings, session).await?.request(RequestCommand::Shared(command)).await
}

/// A connection as the person of this session.
pub(crate) async fn connected(settings: &Settings, session: &Session) -> Result<Gateway, Failure> {
    let address = settings.gateway(Some(session))?;
    let mut gateway = Gateway::connect(&address, Trust::Pinned(session.host_key.clone())).await?;
    gateway.as_person(login::read_key(&session.identity)?).await?;
    Ok(gateway)
}

async fn as_stranger(settings: &Settings, command: Command) -> Result<Done, Failure> {
    let session = settings.any_session();
    let address = settings.gateway(session.as_ref())?;
    let mut gateway = Gateway::connect(&address, Trust::Anyone).await?;
    gateway.as_stranger().await?;
    gateway.request(RequestCommand::Shared(command)).await
}

/// Reads and asks for what the words left open.
async fn complete(settings: &Settings, mut command: Command) -> Result<Command, Failure> {
    if let Command::Key(KeyCommand::Add(arguments)) = &mut command {
        arguments.public_key = read_public_key(std::io::stdin(), "standard input")?;
    }
    if let Command::Space(SpaceCommand::Delete(arguments)) = &command
        && !arguments.yes
        && std::io::stdin().is_terminal()
    {
        let mine = ask(settings, &settings.session()?, Command::List).await?.data;
        // None: the gateway says what is wrong with the name.
        if let Some(space) = shown(&mine, &arguments.space) {
            let question = format!("delete space {space} and all its data? [y/N] ");
            if !matches!(show::ask(&question).trim(), "y" | "Y" | "yes") {
                return Err(Failure::new(Code::Refused, "not deleted"));
            }
        }
    }
    Ok(command)
}

/// A Space that was named, as its person knows it from `list`. By its id a platform admin can name another's, which is
/// said. `None`: a name of none of them, or of several.
fn shown(mine: &serde_json::Value, named: &SpaceReference) -> Option<String> {
    let text = |row: &serde_json::Value, key: &str| row.get(key)?.as_str().map(str::to_owned);
    let rows = mine.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_named = |row: &&serde_json::Value| match named {
        SpaceReference::Id(named) => text(row, "id").is_some_and(|id| id == named.to_string()),
        SpaceReference::Name(named) => text(row, "name").is_some_and(|name| name == named.as_str()),
    };
    let found: Vec<_> = rows.iter().filter(is_named).collect();
    match (found.as_slice(), named) {
        ([row], _) => Some(format!("{} ({})", text(row, "id")?, text(row, "name")?)),
        ([], SpaceReference::Id(named)) => Some(format!("{named}, which is not one of yours,")),
        (_, SpaceReference::Id(_) | SpaceReference::Name(_)) => None,
    }
}

/// A public key file's text. A private key is refused here: it must not leave this machine.
pub(crate) fn read_public_key(source: impl Read, named: &str) -> Result<String, Failure> {
    let mut text = String::new();
    source
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(Code::Usage, format!("cannot read {named}: {error}")))?;
    if text.contains("PRIVATE KEY") {
        let message = "that is a private key: keep it to yourself, and give the `.pub` file";
        return Err(Failure::new(Code::Usage, message)
            .hint("give a public key on standard input: `key add < id_ed25519.pub`"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_deletes_reads_which_space_that_is_and_whether_it_is_theirs() {
        let row = |id, name| serde_json::json!({ "id": id, "name": name });
        let mine = [row("sp_1", "room"), row("sp_2", "den"), row("sp_3", "lab"), row("sp_4", "lab")];
        let shown = |named: &str| shown(&mine.to_vec().into(), &named.parse().unwrap());
        assert_eq!(shown("den").as_deref(), Some("sp_2 (den)"));
        assert_eq!(shown("sp_1").as_deref(), Some("sp_1 (room)"));
        assert_eq!(shown("sp_7").as_deref(), Some("sp_7, which is not one of yours,"));
        assert_eq!((shown("dne"), shown("lab")), (None, None), "which the gateway refuses");
    }
}
