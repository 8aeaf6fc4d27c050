//! Commands that the gateway answers.

use std::io::{IsTerminal as _, Read as _};

use spaces_protocol::command::{Command, KeyCommand, SpaceCommand};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::wire::RequestCommand;

use crate::gateway::{Done, Gateway};
use crate::host_key::Trust;
use crate::session::Session;
use crate::settings::Settings;
use crate::{login, show};

/// Longest public key file read.
const MAX_INPUT: u64 = 64 * 1024;

/// Runs one command and shows its answer.
pub(crate) async fn run(settings: &Settings, command: Command, json: bool) -> Result<(), Failure> {
    let done = match complete(command)? {
        command @ Command::Request(_) => as_stranger(settings, command).await?,
        command => ask(settings, &settings.session()?, command).await?,
    };
    show::done(&done, json);
    Ok(())
}

/// Sends a command as the person of this session.
pub(crate) async fn ask(settings: &Settings, session: &Session, command: Command) -> Result<Done, Failure> {
    connected(settings, session)
        .await?
        .request(RequestCommand::Shared(command))
        .await
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
fn complete(command: Command) -> Result<Command, Failure> {
    match command {
        Command::Key(KeyCommand::Add(mut arguments)) => {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_INPUT)
                .read_to_string(&mut text)
                .map_err(|error| Failure::new(Code::Usage, format!("cannot read standard input: {error}")))?;
            arguments.public_key = text;
            Ok(Command::Key(KeyCommand::Add(arguments)))
        }
        Command::Space(SpaceCommand::Delete(ref arguments))
            if !arguments.yes && std::io::stdin().is_terminal() =>
        {
            let question = format!("delete space {} and all its data? [y/N] ", arguments.space);
            if matches!(show::ask(&question).trim(), "y" | "Y" | "yes") {
                Ok(command)
            } else {
                Err(Failure::new(Code::Refused, "not deleted"))
            }
        }
        command => Ok(command),
    }
}
