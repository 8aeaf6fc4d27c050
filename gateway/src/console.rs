//! The command side: `ssh spaces@host COMMAND`, the `spaces` subsystem, and the interactive screen.
//!
//! ```text
//! exec text -> words -> grammar -> Command -> run -> Reply | Failure -> text or JSON -> exit status
//! ```

mod account;
mod admin;
mod budget;
mod certificates;
mod keys;
mod lines;
mod live;
mod reach;
mod run;
mod screen;
mod sessions;
mod spaces;
mod subsystem;
mod usage;

use std::sync::Arc;

use spaces_protocol::command::{
    Command, ConnectArguments, ConsoleCommand, KeyCommand, Parsed, SpaceCommand, parse_console_line,
};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::frame::Program;
use spaces_protocol::reply::Reply;
use spaces_protocol::wire;
use spaces_provisioner::Progress;

use crate::entrance;
use crate::identity::Principal;
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::ssh::{ChannelParts, Purpose, fail, finish};
use crate::visit::Visit;
use lines::{Lines, Prompt};
use run::Caller;

/// Longest public key file read from standard input.
const MAX_INPUT: usize = 64 * 1024;

/// Serves one channel of the console, to its end.
pub(crate) async fn serve(
    platform: &Arc<Platform>,
    principal: &Principal,
    purpose: Purpose,
    parts: &mut ChannelParts,
) {
    match purpose {
        Purpose::Subsystem(name) if name == wire::SUBSYSTEM => {
            subsystem::serve(platform, principal, parts).await;
        }
        Purpose::Exec(line) => command_line(platform, principal, &line, parts).await,
        Purpose::Subsystem(line) => command_line(platform, principal, line.as_bytes(), parts).await,
        Purpose::Shell => screen::serve(platform, principal, parts).await,
    }
}

/// Runs one line and ends the channel with its status.
async fn command_line(
    platform: &Arc<Platform>,
    principal: &Principal,
    line: &[u8],
    parts: &mut ChannelParts,
) {
    let mut lines = Lines::new();
    match one(platform, principal, line, parts, &mut lines).await {
        Ok(Spoken::Done) => finish(parts, 0).await,
        Ok(Spoken::Channel) => {}
        Err(failure) => fail(parts, &failure).await,
    }
}

/// What became of a line that did not fail.
enum Spoken {
    /// Its answer is written; the channel is still open.
    Done,
    /// It took the channel, and ended it.
    Channel,
}

/// Parses and runs one line, and writes its answer.
async fn one(
    platform: &Arc<Platform>,
    principal: &Principal,
    line: &[u8],
    parts: &mut ChannelParts,
    lines: &mut Lines,
) -> Result<Spoken, Failure> {
    let line = match parse_console_line(line)? {
        Parsed::Command(line) => line,
        Parsed::Help(text) => {
            parts.stdout(&text).await;
            return Ok(Spoken::Done);
        }
    };
    let caller = Caller { platform, principal, from: parts.peer.ip() };
    let reply = match line.command {
        ConsoleCommand::Connect(arguments) => {
            connect(&caller, arguments, parts).await?;
            return Ok(Spoken::Channel);
        }
        ConsoleCommand::IssueCert(mut arguments) => {
            arguments.public_key = public_key(parts, lines).await?;
            caller.run(Command::IssueCert(arguments), Progress::none()).await?
        }
        ConsoleCommand::Login(arguments) => caller.login(arguments).await?,
        ConsoleCommand::Shared(Command::Space(SpaceCommand::Usage(arguments)))
            if !line.json && live::suits(parts) =>
        {
            caller.still_may(&Command::Space(SpaceCommand::Usage(arguments.clone()))).await?;
            live::show(&caller, &arguments.space, parts).await?
        }
        ConsoleCommand::Shared(command) => {
            let command = complete(&caller, command, parts, lines).await?;
            Reporter::to_channel(parts).listen(|progress| caller.run(command, progress)).await?
        }
    };
    write(parts, &reply, line.json).await;
    Ok(Spoken::Done)
}

async fn write(parts: &mut ChannelParts, reply: &Reply, json: bool) {
    if json {
        parts.stdout(&format!("{}\n", reply.to_json())).await;
    } else {
        let text = reply.to_text();
        parts.stdout(&text.stdout).await;
        parts.stderr(&text.stderr).await;
    }
}

/// Asks for what the words left open: the key on standard input, the confirmation on a terminal.
async fn complete(
    caller: &Caller<'_>,
    mut command: Command,
    parts: &mut ChannelParts,
    lines: &mut Lines,
) -> Result<Command, Failure> {
    if let Command::Key(KeyCommand::Add(arguments)) = &mut command {
        arguments.public_key = public_key(parts, lines).await?;
    }
    if let Command::Space(SpaceCommand::Delete(arguments)) = &command
        && parts.terminal.is_some()
        && !arguments.yes
    {
        let space = reach::managed(caller, &arguments.space, "delete").await?;
        let (id, name, owner) = (space.id, &space.name, &space.owner_email);
        let whose =
            if space.owner == caller.person()?.user().id { String::new() } else { format!(" of {owner}") };
        let question = format!("delete space {id} ({name}{whose}) and all its data? [y/N] ");
        match lines.ask(parts, &question).await {
            Prompt::Line(answer) if matches!(answer.trim(), "y" | "Y" | "yes") => {}
            Prompt::Line(_) | Prompt::Interrupted | Prompt::End => {
                return Err(Failure::new(Code::Refused, "not deleted"));
            }
        }
    }
    Ok(command)
}

/// A line typed or pasted at a terminal, which has no end of input that a person could see; else all there is.
async fn public_key(parts: &mut ChannelParts, lines: &mut Lines) -> Result<String, Failure> {
    if parts.terminal.is_none() {
        return lines.rest(parts, MAX_INPUT).await;
    }
    match lines.ask(parts, "public key: ").await {
        Prompt::Line(line) => Ok(line),
        Prompt::Interrupted | Prompt::End => Err(Failure::new(Code::Refused, "no key was given")),
    }
}

async fn connect(
    caller: &Caller<'_>,
    arguments: ConnectArguments,
    parts: &mut ChannelParts,
) -> Result<(), Failure> {
    let person = caller.person()?;
    caller.still_known().await?;
    let reference = caller.named_or_only(arguments.space).await?;
    let program = match arguments.command.as_slice() {
        [] => Program::LoginShell,
        // One word is a line for the shell, several are a program with its arguments.
        [line] => Program::Command(line.clone().into_bytes()),
        words => Program::Command(shell_words::join(words).into_bytes()),
    };
    let visit = match arguments.session.wanted() {
        Some((session, purpose)) => Visit::Attach(session.cloned(), purpose, arguments.session.token.clone()),
        None => Visit::Hold(program, arguments.session.token),
    };
    entrance::enter(caller.platform, person, &reference, visit, parts).await
}
