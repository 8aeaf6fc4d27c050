//! One session channel: what the client set up for it, and where it goes once its purpose is known.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use russh::server::Msg;
use russh::{Channel, Pty};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::frame::{Display, Terminal, WindowSize};
use spaces_protocol::name::LoginName;
use spaces_protocol::wire;
use spaces_store::Standing;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::budget::{Budget, Room};
use super::forwards::Unanswered;
use crate::entrance;
use crate::identity::{Person, Principal};
use crate::platform::Platform;
use crate::relay::SshChannel;
use crate::visit::Visit;
use crate::{console, tasks};

/// Most variables a client may set on a channel, and most bytes in all.
const VARIABLES: usize = 64;
const VARIABLE_BYTES: usize = 32 * 1024;

/// The one subsystem of a Space.
const SFTP: &str = "sftp";

/// What a channel is for, RFC 4254 section 6.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    Shell,
    Exec(Vec<u8>),
    Subsystem(String),
}

impl Purpose {
    /// Whether this login name has an answer to it.
    pub(crate) fn is_served_on(&self, login: &LoginName) -> bool {
        match (self, login) {
            (Self::Shell | Self::Exec(_), _) | (Self::Subsystem(_), LoginName::Console) => true,
            (Self::Subsystem(name), LoginName::Join) => name == wire::SUBSYSTEM,
            (Self::Subsystem(name), LoginName::Space(_)) => name == SFTP,
        }
    }
}

/// Whether the client lends the agent that holds its keys to the programs of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agent {
    Kept,
    Lent,
}

/// Whether a channel has a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tty {
    Yes,
    No,
}

/// What a channel that does something still answers to.
pub(crate) struct Serving {
    /// Cancelled when the client says that it reads no more (`eow@openssh.com`).
    pub(crate) output_closed: CancellationToken,
    pub(crate) tty: Tty,
    /// Kept until the client has closed the channel too: only then is it over.
    pub(super) _room: Room,
}

/// A channel that was opened and does nothing yet.
pub(crate) struct Waiting {
    pub(crate) channel: Channel<Msg>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) terminal: Option<Terminal>,
    pub(crate) agent: Agent,
    pub(crate) display: Option<Display>,
    pub(super) room: Room,
}

impl Waiting {
    pub(super) fn new(channel: Channel<Msg>, room: Room) -> Self {
        Self { channel, environment: Vec::new(), terminal: None, agent: Agent::Kept, display: None, room }
    }

    /// Whether the terminal was taken; a second one is not.
    pub(crate) fn set_terminal(&mut self, term: &str, size: WindowSize, modes: &[(Pty, u32)]) -> bool {
        let acceptable = term.len() <= 64 && term.bytes().all(|byte| byte.is_ascii_graphic());
        if self.terminal.is_some() || !acceptable {
            return false;
        }
        let modes = modes.iter().filter(|(mode, _)| *mode != Pty::TTY_OP_END);
        let modes = modes.map(|(mode, value)| (*mode as u8, *value)).collect();
        self.terminal = Some(Terminal { term: term.to_owned(), size, modes });
        true
    }

    pub(crate) fn tty(&self) -> Tty {
        if self.terminal.is_some() { Tty::Yes } else { Tty::No }
    }

    pub(crate) fn resize(&mut self, size: WindowSize) {
        if let Some(terminal) = &mut self.terminal {
            terminal.size = size;
        }
    }

    /// Whether the variable was taken: its name fits one of the patterns, and there is room.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str, patterns: &[String]) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern,
        };
        let shaped = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        let bytes: usize = self.environment.iter().map(|(name, value)| name.len() + value.len()).sum();
        let room = self.environment.len() < VARIABLES && bytes + name.len() + value.len() <= VARIABLE_BYTES;
        let accepted = shaped && room && patterns.iter().any(fits);
        if accepted {
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        accepted
    }
}

/// A channel whose purpose is known, with what the client set up for it.
pub(crate) struct ChannelParts {
    pub(crate) ssh: SshChannel,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) terminal: Option<Terminal>,
    pub(crate) agent: Agent,
    pub(crate) display: Option<Display>,
    /// Room for channels on this connection.
    pub(crate) budget: Budget,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl ChannelParts {
    /// Sends data, for standard output.
    pub(crate) async fn stdout(&self, text: &str) {
        // A client that is gone reads nothing; its channel ends by itself.
        drop(self.ssh.write.data_bytes(self.translated(text)).await);
    }

    /// Sends everything that is not data, for standard error. A terminal has one stream only, which keeps what
    /// is shown in order.
    pub(crate) async fn stderr(&self, text: &str) {
        match self.terminal {
            Some(_) => self.stdout(text).await,
            None => drop(self.ssh.write.extended_data_bytes(1, text.to_owned()).await),
        }
    }

    /// A terminal in raw mode wants a line to end with CR LF.
    fn translated(&self, text: &str) -> String {
        if self.terminal.is_some() { text.replace('\n', "\r\n") } else { text.to_owned() }
    }
}

/// Serves a channel in a task of its own. A panic there ends that channel, with a message, and nothing else.
pub(crate) fn serve(
    platform: Arc<Platform>,
    principal: Principal,
    login: LoginName,
    purpose: Purpose,
    mut parts: ChannelParts,
    unanswered: Unanswered,
) {
    let task = async move {
        unanswered.settled().await;
        let served = AssertUnwindSafe(serve_purpose(&platform, &principal, &login, purpose, &mut parts));
        let served = served.catch_unwind().await;
        if served.is_err() {
            let id: u32 = rand::random();
            error!(incident = format_args!("{id:08x}"), "a channel's task crashed");
            let failure = Failure::new(Code::Internal, "something went wrong on our side")
                .hint(format!("incident {id:08x}: the platform's log tells more"));
            fail(&mut parts, &failure).await;
        }
    };
    drop(tasks::spawn("channel", task));
}

/// A connection may outlive its key or certificate: one that was removed or revoked opens nothing more.
pub(crate) async fn still_known(platform: &Platform, person: &Person) -> Result<(), Failure> {
    let (user, hint) = match person.certificate() {
        None => (platform.store.user_by_key(person.key()).await, "your key was removed meanwhile"),
        Some(claim) => {
            let standing = platform.store.standing(claim.serial, &claim.digest).await;
            let user = standing.map(|standing| match standing {
                Standing::Stands(user) => Some(user),
                Standing::Revoked | Standing::Unknown => None,
            });
            (user, "your certificate was revoked meanwhile")
        }
    };
    match user {
        Ok(Some(user)) if user.id == person.user().id => Ok(()),
        Ok(_) => Err(Failure::new(Code::NotAuthenticated, "not authenticated").hint(hint)),
        Err(error) => Err(entrance::store_failed(&error)),
    }
}

async fn serve_purpose(
    platform: &Arc<Platform>,
    principal: &Principal,
    login: &LoginName,
    purpose: Purpose,
    parts: &mut ChannelParts,
) {
    let (person, space) = match (principal, login) {
        (Principal::Person(person), LoginName::Space(space)) => (person, space),
        (principal, LoginName::Console | LoginName::Join | LoginName::Space(_)) => {
            if let Principal::Person(person) = principal
                && let Err(failure) = still_known(platform, person).await
            {
                return fail(parts, &failure).await;
            }
            return console::serve(platform, principal, purpose, parts).await;
        }
    };
    let visit = Visit::Run(entrance::program(purpose));
    if let Err(failure) = entrance::enter(platform, person, space, visit, parts).await {
        fail(parts, &failure).await;
    }
}

/// Ends a channel with a failure: its text on standard error, its code as exit status.
pub(crate) async fn fail(parts: &mut ChannelParts, failure: &Failure) {
    parts.stderr(&failure.to_string()).await;
    finish(parts, failure.code.exit_status()).await;
}

/// Ends a channel: status, end of file, close, in this order.
pub(crate) async fn finish(parts: &mut ChannelParts, status: u8) {
    let write = &parts.ssh.write;
    let told = async {
        write.exit_status(u32::from(status)).await?;
        write.eof().await?;
        write.close().await
    };
    // A client that is gone already needs no status.
    drop(told.await);
}
