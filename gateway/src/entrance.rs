//! Entering a Space: right to it, awake, guest reached, program started. `ssh REF@host` and `connect` end
//! up here.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use spaces_protocol::failure::{Code, Failure, shortened};
use spaces_protocol::frame::{Attach, HOLDS_SINCE, Program, Showing, Start, Task};
use spaces_protocol::name::{SpaceId, SpaceReference};
use spaces_protocol::session::{SessionNumber, TERMINAL_RESET};
use spaces_store::{FindSpace, Granted, Observed, Space, StoreError};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::identity::{ORIGINAL_COMMAND, Person, Wish};
use crate::lend::{Lent, lend};
use crate::lifecycle::store_unavailable;
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::relay::{self, Begun, Ended, Telling};
use crate::ssh::{ChannelParts, Purpose, still_known};
use crate::visit::{self, Visit, Wanted};
use crate::{allowance, audit};

/// How long a client may take for the last that it is shown.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a channel's purpose means inside a Space. No other subsystem than SFTP is served there.
pub(crate) fn program(purpose: Purpose) -> Program {
    match purpose {
        Purpose::Shell => Program::LoginShell,
        Purpose::Exec(command) => Program::Command(command),
        Purpose::Subsystem(_) => Program::Sftp,
    }
}

/// Does in the Space what this person wants there, and ends the channel with the program's status. With a failure
/// the channel is still open.
pub(crate) async fn enter(
    platform: &Arc<Platform>,
    person: &Person,
    reference: &SpaceReference,
    visit: Visit,
    parts: &mut ChannelParts,
) -> Result<(), Failure> {
    visit.fits(parts)?;
    let from = parts.peer.ip();
    let space = find(platform, person, reference).await.inspect_err(|failure| {
        audit::entered(platform, person, visit.act(reference), from, Some(failure));
    })?;
    let reached = reach(platform, person, &space, reference, &visit, parts).await;
    let act = visit.act(&SpaceReference::Id(space.id));
    audit::entered(platform, person, act, from, reached.as_ref().err());
    let (lent, mut guest) = reached?;
    info!(space = %space.id, user = %person.user().email, "entered");
    warn_of_budgets(platform, &space, parts).await;
    let wanted = visit.wanted();
    let task = task(platform, person, &space, visit, &lent, parts)?;
    let mut shown = None;
    let ended = match relay::begin(&mut guest, task).await {
        Ok(begun) => {
            let mut telling = Telling::AsSignal;
            if let Begun::Showing(showing) = begun {
                parts.stderr(&others(&space, &showing)).await;
                shown = Some(showing.session);
                telling = Telling::AsStatus;
            }
            let notices = parts.terminal.as_ref().and_then(|_| platform.hub.notices(space.id));
            relay::run(&mut parts.ssh, guest, telling, notices).await
        }
        Err(ended) => ended,
    };
    if matches!(ended, Ended::Taken) {
        // Its program is still on the screen, and perhaps on all of it. A client that reads nothing misses it.
        drop(timeout(FAREWELL, parts.stderr(&format!("{TERMINAL_RESET}\n"))).await);
    }
    explained(&space, reference, (wanted, shown), ended)
}

/// Tells whoever sits at a terminal what is nearly used up. Programs read what they asked for, and nothing else.
async fn warn_of_budgets(platform: &Platform, space: &Space, parts: &mut ChannelParts) {
    if parts.terminal.is_none() {
        return;
    }
    for warning in allowance::warnings(&platform.lifecycle, space, Timestamp::now()) {
        parts.stderr(&format!("space {}: {}\n", space.name, warning.text)).await;
    }
}

/// What an end means for the person.
fn explained(
    space: &Granted<Space>,
    reference: &SpaceReference,
    (wanted, shown): (Wanted, Option<SessionNumber>),
    ended: Ended,
) -> Result<(), Failure> {
    let id = space.id;
    match ended {
        Ended::Exited | Ended::ClientGone => Ok(()),
        Ended::Taken => {
            let number = shown.map(|number| number.to_string()).unwrap_or_default();
            Err(Failure::new(Code::Refused, "somebody else has taken this session")
                .hint(format!("`connect {id} --take {number}` takes it back, `--watch {number}` looks on")))
        }
        Ended::NotStarted(text) => {
            let text = shortened(&text, 200);
            Err(match wanted {
                Wanted::Program => Failure::new(Code::Refused, format!("nothing was started: {text}"))
                    .hint(format!("`space why --space {reference}` says whether a limit holds it back")),
                Wanted::Session => Failure::new(Code::Refused, text)
                    .hint("`session list` shows those that are there; `--take` and `--watch` need a number"),
            })
        }
        Ended::GuestLost(error) => {
            warn!(space = %id, %error, "the guest was lost");
            Err(Failure::new(Code::Unavailable, format!("space `{reference}` went away"))
                .hint(format!("`space why --space {reference}` says what it is doing")))
        }
    }
}

/// The Space of this reference, if this person has a role in it, and came with what opens it and is good still: a
/// connection may outlive its key and its certificate.
pub(crate) async fn find(
    platform: &Platform,
    person: &Person,
    reference: &SpaceReference,
) -> Result<Granted<Space>, Failure> {
    match platform.store.find_space(person.user().id, person.pass(), reference).await {
        Ok(FindSpace::Found(space)) if person.may(Wish::Enter(space.id)) => Ok(*space),
        Ok(FindSpace::Absent | FindSpace::Found(_)) => {
            still_known(platform, person).await?;
            Err(Failure::new(Code::NotFound, format!("no space named `{reference}`"))
                .hint("`list` shows the spaces you can use"))
        }
        Ok(FindSpace::Ambiguous(ids)) => Err(ambiguous(reference, &ids)),
        Err(error) => Err(store_failed(&error)),
    }
}

/// A name that does not say which.
pub(crate) fn ambiguous(reference: &SpaceReference, ids: &[SpaceId]) -> Failure {
    let ids = ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    Failure::new(Code::Ambiguous, format!("`{reference}` is the name of more than one space: {ids}"))
        .hint("name it by its id")
}

/// Logs what the store said, for the person knows only that it failed.
pub(crate) fn store_failed(error: &StoreError) -> Failure {
    error!(error = error as &dyn std::error::Error, "the store failed");
    store_unavailable()
}

async fn wake(
    platform: &Arc<Platform>,
    space: &Granted<Space>,
    reference: &SpaceReference,
    parts: &ChannelParts,
) -> Result<(), Failure> {
    let reporter = Reporter::to_channel(parts);
    let awake = reporter.listen(|progress| platform.lifecycle.ensure_running(space, progress)).await;
    awake.map_err(|error| error.explain(&reference.to_string()))
}

/// A channel to the guest, and what is lent to it.
type Reached = (Lent, (relay::GuestReader, relay::GuestWriter));

/// A Space whose machine ends while somebody comes in is started, once, like any other that is not up.
async fn reach(
    platform: &Arc<Platform>,
    person: &Person,
    space: &Granted<Space>,
    reference: &SpaceReference,
    visit: &Visit,
    parts: &mut ChannelParts,
) -> Result<Reached, Failure> {
    let mut again = None;
    loop {
        let space = again.as_ref().unwrap_or(space);
        wake(platform, space, reference, parts).await?;
        visit.decline_what_is_of_no_use(parts);
        // Before the program's own channel, whose guest does not wait long for what to run.
        let lent = lend(platform, person, space, parts).await;
        match platform.hub.channel(space.id).await {
            Ok(guest) => return Ok((lent, guest)),
            Err(error) => {
                warn!(space = %space.id, error = &error as &dyn std::error::Error, "the guest cannot be reached");
            }
        }
        let now = find(platform, person, &SpaceReference::Id(space.id)).await?;
        if again.is_some() || now.observed == Observed::Running {
            return Err(no_guest(platform, reference).await);
        }
        again = Some(now);
    }
}

/// Why a Space that should run has no guest: an engine that stopped took it along.
async fn no_guest(platform: &Platform, reference: &SpaceReference) -> Failure {
    let name = reference.to_string();
    match platform.lifecycle.engine_answers().await {
        Ok(()) => Failure::new(Code::Unavailable, format!("space `{name}` does not answer"))
            .hint(format!("`space down --space {name}`, then `space up`, starts it anew")),
        Err(error) => error.explain(&name),
    }
}

/// What the guest is asked for.
fn task(
    platform: &Platform,
    person: &Person,
    space: &Granted<Space>,
    visit: Visit,
    lent: &Lent,
    parts: &mut ChannelParts,
) -> Result<Task, Failure> {
    let holds = platform.hub.guest_knows(space.id, HOLDS_SINCE);
    match visit {
        Visit::Run(program) => Ok(Task::Run(start(platform, person, program, lent, parts))),
        Visit::Hold(program, token) if holds && parts.terminal.is_some() => {
            Ok(Task::Hold { start: start(platform, person, program, lent, parts), token })
        }
        // Without a terminal there is nothing to come back to.
        Visit::Hold(program, _token) => Ok(Task::Run(start(platform, person, program, lent, parts))),
        Visit::Attach(..) if !holds => Err(no_sessions(space)),
        Visit::Attach(session, purpose, token) => {
            let size = parts.terminal.as_ref().ok_or_else(visit::no_terminal)?.size;
            Ok(Task::Attach(Attach { session, purpose, size, agent: lent.agent(), token }))
        }
    }
}

/// The guest of a Space that ran through an upgrade is older than the gateway.
pub(crate) fn no_sessions(space: &Space) -> Failure {
    Failure::new(Code::Refused, format!("space `{}` was started before sessions were known", space.name))
        .hint(format!("`space down --space {0}`, then `space up --space {0}`, starts it anew", space.id))
}

/// The one line that says what else is there.
fn others(space: &Space, showing: &Showing) -> String {
    match showing.detached.as_slice() {
        [] => String::new(),
        [one] => {
            format!("session {one} is detached: `connect {} --attach {one}` goes on in it\n", space.name)
        }
        several => format!("{} sessions are detached: `session list` shows them\n", several.len()),
    }
}

fn start(
    platform: &Platform,
    person: &Person,
    program: Program,
    lent: &Lent,
    parts: &mut ChannelParts,
) -> Start {
    let (program, asked) = person.instead_of(program);
    let (peer, local) = (parts.peer, parts.local);
    let mut environment = std::mem::take(&mut parts.environment);
    // As sshd sets them; programs look here for where their person sits.
    let client = format!("{} {} {}", peer.ip(), peer.port(), local.port());
    let connection = format!("{} {} {} {}", peer.ip(), peer.port(), local.ip(), local.port());
    environment.push(("SSH_CLIENT".to_owned(), client));
    environment.push(("SSH_CONNECTION".to_owned(), connection));
    environment.retain(|(name, _)| name != ORIGINAL_COMMAND);
    environment.extend(asked.map(|asked| (ORIGINAL_COMMAND.to_owned(), asked)));
    environment.extend(lent.variables.iter().cloned());
    Start { program, user: platform.config.space.user.clone(), environment, terminal: parts.terminal.clone() }
}
