//! `ssh spaces@host` without a command: a newcomer logs in, a stranger is asked what they want, a person gets
//! a prompt that takes commands.

use std::sync::Arc;

use spaces_protocol::command::{Command, LoginArguments, RequestArguments};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::reply::Reply;
use spaces_provisioner::Progress;

use super::lines::{Lines, Prompt};
use super::run::Caller;
use super::{Spoken, one, write};
use crate::identity::{Person, Principal};
use crate::platform::Platform;
use crate::ssh::{ChannelParts, fail, finish};

/// Serves a session without a command, to its end.
pub(crate) async fn serve(platform: &Arc<Platform>, principal: &Principal, parts: &mut ChannelParts) {
    let caller = Caller { platform, principal, from: parts.peer.ip() };
    let outcome = match principal {
        Principal::Person(person) => return prompt(&caller, person, parts).await,
        Principal::Newcomer(_) => caller.login(LoginArguments::default()).await,
        Principal::Stranger => join(&caller, parts).await,
    };
    match outcome {
        Ok(reply) => {
            write(parts, &reply, false).await;
            finish(parts, 0).await;
        }
        Err(failure) => fail(parts, &failure).await,
    }
}

/// Asks a stranger for an e-mail and a reason.
async fn join(caller: &Caller<'_>, parts: &mut ChannelParts) -> Result<Reply, Failure> {
    let mut lines = Lines::new();
    let mut ask = async |question: &str| match lines.ask(parts, question).await {
        Prompt::Line(line) => Ok(line),
        Prompt::Interrupted | Prompt::End => Err(Failure::new(Code::Usage, "no request was made")
            .hint("`ssh join@HOST` asks for an e-mail and a reason")),
    };
    let usage = |error: spaces_protocol::name::NameError| Failure::new(Code::Usage, error.to_string());
    let email = ask("e-mail: ").await?.parse().map_err(usage)?;
    let reason = ask("reason: ").await?.parse().map_err(usage)?;
    caller.run(Command::Request(RequestArguments { email, reason: Some(reason) }), Progress::none()).await
}

/// Takes commands from a person until they leave.
async fn prompt(caller: &Caller<'_>, person: &Person, parts: &mut ChannelParts) {
    let mut lines = Lines::new();
    let interactive = parts.terminal.is_some();
    if interactive {
        let greeting = format!("{}: type `help` for the commands, `exit` to leave\n", person.user().email);
        parts.stdout(&greeting).await;
    }
    let mut status = 0;
    loop {
        match lines.ask(parts, if interactive { "spaces> " } else { "" }).await {
            Prompt::End => break,
            Prompt::Interrupted => {}
            Prompt::Line(line) => match line.trim() {
                "" => {}
                "exit" | "quit" | "logout" => break,
                line => {
                    match one(caller.platform, caller.principal, line.as_bytes(), parts, &mut lines).await {
                        Ok(Spoken::Done) => status = 0,
                        Ok(Spoken::Channel) => return,
                        Err(failure) => {
                            status = failure.code.exit_status();
                            parts.stderr(&failure.to_string()).await;
                        }
                    }
                }
            },
        }
    }
    finish(parts, status).await;
}
