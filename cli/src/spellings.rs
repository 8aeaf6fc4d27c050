//! `spaces ssh ...`: what concerns keys and ssh, in the words of the client that people may come from.

use std::fmt::Write as _;
use std::fs::File;
use std::process::ExitCode;

use spaces_protocol::command::{Command, KeyAddArguments, KeyCommand, KeyRemoveArguments};
use spaces_protocol::failure::{Code, Failure};

use crate::arguments::{AddKeyArguments, ConnectArguments, SshCommand};
use crate::run::{ask, read_public_key};
use crate::settings::Settings;
use crate::{connect, issue_cert, show, ssh_config};

/// Characters of a fingerprint that tell the keys of one person apart.
const ID: usize = 8;

/// Does what the other spelling does.
pub(crate) async fn run(settings: &Settings, command: SshCommand, json: bool) -> Result<ExitCode, Failure> {
    match command {
        SshCommand::AddKey(arguments) => tell(settings, add(arguments)?, json).await?,
        SshCommand::ListKeys => list(settings, json).await?,
        SshCommand::RemoveKey(arguments) => {
            let remove = KeyRemoveArguments { fingerprint: arguments.fingerprint, last: false };
            tell(settings, Command::Key(KeyCommand::Remove(remove)), json).await?;
        }
        SshCommand::ClientConfig(arguments) => ssh_config::client_config(settings, arguments).await?,
        SshCommand::Connect(arguments) => {
            let connect = ConnectArguments { space: Some(arguments.space), ..ConnectArguments::default() };
            return connect::connect(settings, connect).await;
        }
        SshCommand::IssueCert(arguments) => issue_cert::issue_cert(settings, arguments, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn tell(settings: &Settings, command: Command, json: bool) -> Result<(), Failure> {
    show::done(&ask(settings, &settings.session()?, command).await?, json)
}

fn add(arguments: AddKeyArguments) -> Result<Command, Failure> {
    let named = arguments.public_key_file.display().to_string();
    let file = File::open(&arguments.public_key_file)
        .map_err(|error| Failure::new(Code::Usage, format!("cannot read {named}: {error}")))?;
    let public_key = read_public_key(file, &named)?;
    Ok(Command::Key(KeyCommand::Add(KeyAddArguments { name: Some(arguments.name), public_key })))
}

/// With an id first, made of the fingerprint.
async fn list(settings: &Settings, json: bool) -> Result<(), Failure> {
    let mut done = ask(settings, &settings.session()?, Command::Key(KeyCommand::List)).await?;
    if json {
        return show::done(&done, json);
    }
    let mut lines = done.stdout.lines();
    let width = ID + "key_".len() + 2;
    let mut text = lines.next().map(|header| format!("{:width$}{header}\n", "id")).unwrap_or_default();
    for line in lines {
        let fingerprint = line.split_whitespace().nth(1).unwrap_or_default();
        let digits = fingerprint.trim_start_matches("SHA256:").chars().take(ID);
        // A `String` takes whatever is written to it.
        writeln!(text, "{:width$}{line}", format!("key_{}", digits.collect::<String>())).ok();
    }
    done.stdout = text;
    show::done(&done, json)
}
