//! `spaces ssh-config`: what the local `ssh`, and every program that runs it, has to know to reach the Spaces of this
//! session by name: `ssh my-room.spaces`.
//!
//! `ssh` cannot take a login name out of a host's name, so each Space has two lines of its own; all else stands once,
//! under one pattern. An installed configuration is brought up to date by `spaces list`.

mod block;
mod install;

use spaces_protocol::command::{Command, ConnectArguments as Target};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{SpaceId, SpaceName, SpaceReference};
use spaces_protocol::wire::RequestCommand;

use crate::arguments::{ClientConfigArguments, SshConfigArguments};
use crate::connect::Way;
use crate::run::{ask, connected};
use crate::session::Session;
use crate::settings::Settings;
use crate::show;
use block::Block;

/// A Space as far as `ssh` is concerned.
struct Entry {
    id: SpaceId,
    name: SpaceName,
}

/// Prints the configuration, or installs it.
pub(crate) async fn ssh_config(settings: &Settings, arguments: SshConfigArguments) -> Result<(), Failure> {
    let session = settings.session()?;
    let done = ask(settings, &session, Command::List).await?;
    let text = rendered(settings, &session, &done.data)?;
    if !arguments.install {
        return show::stdout(&text);
    }
    let written = install::install(&settings.ssh_folder()?, &text)?;
    show::note(&format!("wrote {}; `ssh SPACE.{}` enters a space\n", written.display(), block::SUFFIX));
    Ok(())
}

/// Brings an installed configuration up to date with the Spaces that were just listed. What it cannot do now it does
/// the next time: nobody asked for it.
pub(crate) fn refresh(settings: &Settings, session: &Session, listed: &serde_json::Value) {
    let refreshed = || {
        // An override is for one command, not for what editors use from now on.
        if Way::of(settings, session)?.address != session.gateway {
            return Ok(());
        }
        let folder = settings.ssh_folder()?;
        install::refresh(&folder, &rendered(settings, session, listed)?)
    };
    drop(refreshed());
}

/// The configuration of one Space with a key of the person's choice.
pub(crate) async fn client_config(
    settings: &Settings,
    arguments: ClientConfigArguments,
) -> Result<(), Failure> {
    let session = settings.session()?;
    let gateway = connected(settings, &session).await?;
    let target = Target { space: Some(arguments.space), ..Target::default() };
    let done = gateway.request(RequestCommand::Connect(target)).await?;
    let entry = entry(&done.data).ok_or_else(unclear)?;
    let way = Way { identity: arguments.identity_file, ..Way::of(settings, &session)? };
    let mut block = Block::of(&way, &session, std::slice::from_ref(&entry));
    if let Some(host) = arguments.host {
        block = block.at(host);
    }
    show::stdout(&block.render()?)
}

fn rendered(settings: &Settings, session: &Session, listed: &serde_json::Value) -> Result<String, Failure> {
    let rows = listed.as_array().ok_or_else(unclear)?;
    let entries: Vec<Entry> = rows.iter().filter_map(entry).collect();
    Block::of(&Way::of(settings, session)?, session, &entries).render()
}

fn entry(row: &serde_json::Value) -> Option<Entry> {
    let text = |key: &str| row.get(key).and_then(serde_json::Value::as_str);
    // What the gateway says goes into a file that `ssh` believes: parsed like anything else.
    match text("id")?.parse().ok()? {
        SpaceReference::Id(id) => Some(Entry { id, name: text("name")?.parse().ok()? }),
        SpaceReference::Name(_) => None,
    }
}

fn unclear() -> Failure {
    Failure::new(Code::Internal, "the gateway did not say which spaces there are")
}
