//! Terminals that Spaces hold: `session list`, `session kill`.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use spaces_protocol::command::{SessionKillArguments, SessionListArguments};
use spaces_protocol::failure::{Code, Failure, shortened};
use spaces_protocol::frame::{FromGuest, HOLDS_SINCE, HeldSession, Task, ToGuest};
use spaces_protocol::reply::{Reply, SessionChange, SessionRow, Sessions};
use spaces_store::{Desired, Granted, Observed, Space};
use tokio::time::timeout;
use tracing::debug;

use super::run::Caller;
use super::spaces::mine;
use crate::entrance::{find, no_sessions};

/// A Space that does not tell by then is left out, and named.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the programs of a session may take to end, until they are made to.
const END: Duration = Duration::from_secs(8);

/// How many Spaces are asked at once.
const ABREAST: usize = 16;

/// Most of one Space that is shown: a guest may say anything.
const MOST: usize = 256;

pub(crate) async fn list(caller: &Caller<'_>, arguments: SessionListArguments) -> Result<Reply, Failure> {
    let spaces = match arguments.space {
        Some(reference) => vec![find(caller.platform, caller.person()?, &reference).await?],
        None => mine(caller).await?,
    };
    let running: Vec<_> = spaces.iter().filter(|space| is_running(space)).collect();
    let asked: Vec<_> = running.iter().map(|space| held(caller, space)).collect();
    let answers: Vec<_> = stream::iter(asked).buffered(ABREAST).collect().await;
    let mut sessions = Sessions { rows: Vec::new(), silent: Vec::new() };
    for (space, answer) in running.into_iter().zip(answers) {
        match answer {
            Some(held) => sessions.rows.extend(held.iter().take(MOST).map(|held| row(space, held))),
            None => sessions.silent.push(space.name.clone()),
        }
    }
    Ok(Reply::Sessions(sessions))
}

pub(crate) async fn kill(caller: &Caller<'_>, arguments: SessionKillArguments) -> Result<Reply, Failure> {
    let reference = caller.named_or_only(arguments.space).await?;
    let space = find(caller.platform, caller.person()?, &reference).await?;
    if !is_running(&space) {
        return Err(Failure::new(Code::Refused, format!("space `{reference}` is not running"))
            .hint("a space that stops takes its sessions along"));
    }
    let answer = timeout(END, ask(caller, &space, Task::EndSession(arguments.session.clone()))).await;
    match answer {
        Ok(Some(FromGuest::SessionEnded)) => Ok(Reply::SessionKilled(SessionChange {
            session: arguments.session.to_string(),
            space: space.name.clone(),
        })),
        Ok(Some(FromGuest::Failed(text))) => Err(Failure::new(Code::NotFound, shortened(&text, 200))),
        Ok(Some(_) | None) | Err(_) if !caller.platform.hub.guest_knows(space.id, HOLDS_SINCE) => {
            Err(no_sessions(&space))
        }
        Ok(Some(_) | None) | Err(_) => {
            Err(Failure::new(Code::Unavailable, format!("space `{reference}` does not answer")))
        }
    }
}

fn is_running(space: &Space) -> bool {
    (space.desired, space.observed) == (Desired::Running, Observed::Running)
}

/// What one Space holds; `None` if it does not tell. A guest that knows of no sessions has none.
async fn held(caller: &Caller<'_>, space: &Granted<Space>) -> Option<Vec<HeldSession>> {
    let answer = timeout(PATIENCE, ask(caller, space, Task::ListSessions)).await;
    if let Ok(Some(FromGuest::Sessions(sessions))) = answer {
        return Some(sessions);
    }
    let version = caller.platform.hub.guest_version(space.id)?;
    (version < HOLDS_SINCE).then(Vec::new)
}

async fn ask(caller: &Caller<'_>, space: &Space, task: Task) -> Option<FromGuest> {
    let asked = async {
        let (mut reader, mut writer) = caller.platform.hub.channel(space.id).await.ok()?;
        writer.message(ToGuest::Begin(task)).await.ok()?;
        reader.message().await.ok()
    };
    let answer = asked.await;
    if answer.is_none() {
        debug!(space = %space.id, "a guest does not tell of its sessions");
    }
    answer
}

fn row(space: &Space, held: &HeldSession) -> SessionRow {
    // A guest may say anything.
    let at =
        |seconds: u64| i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    SessionRow {
        session: held.session,
        space: space.name.clone(),
        program: shortened(&held.program, 32),
        viewers: held.viewers,
        columns: held.size.columns,
        rows: held.size.rows,
        created_at: at(held.created_at).unwrap_or(Timestamp::UNIX_EPOCH),
        detached_at: held.detached_at.and_then(at),
        title: shortened(&held.title, 64),
    }
}
