//! One session channel: what the client set up for it, and where it goes once its purpose is known.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use russh::server::Msg;
use russh::{Channel, Pty};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::frame::{Terminal, WindowSize};
use spaces_protocol::name::LoginName;
use spaces_protocol::wire;
use tracing::error;

use crate::identity::Principal;
use crate::platform::Platform;
use crate::relay::SshChannel;
use crate::{console, entrance, tasks};

/// Most variables a client may set on a channel, and most bytes in all.
const VARIABLES: usize = 64;
const VARIABLE_BYTES: usize = 32 * 1024;

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
            (Self::Subsystem(_), LoginName::Space(_)) => false,
        }
    }
}

/// A channel that was opened and does nothing yet.
pub(crate) struct Waiting {
    pub(crate) channel: Channel<Msg>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) terminal: Option<Terminal>,
}

impl Waiting {
    pub(crate) fn new(channel: Channel<Msg>) -> Self {
        Self {
            channel,
            environment: Vec::new(),
            terminal: None,
        }
    }

    /// Whether the terminal was taken; a second one is not.
    pub(crate) fn set_terminal(&mut self, term: &str, size: WindowSize, modes: &[(Pty, u32)]) -> bool {
        let acceptable = term.len() <= 64 && term.bytes().all(|byte| byte.is_ascii_graphic());
        if self.terminal.is_some() || !acceptable {
            return false;
        }
        let modes = modes.iter().filter(|(mode, _)| *mode != Pty::TTY_OP_END);
        let modes = modes.map(|(mode, value)| (*mode as u8, *value)).collect();
        self.terminal = Some(Terminal {
            term: term.to_owned(),
            size,
            modes,
        });
        true
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
        let bytes: usize = self
            .environment
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
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
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Serves a channel in a task of its own. A panic there ends that channel, with a message, and nothing else.
pub(crate) fn serve(
    platform: Arc<Platform>,
    principal: Principal,
    login: LoginName,
    purpose: Purpose,
    mut parts: ChannelParts,
) {
    let task = async move {
        let served = AssertUnwindSafe(async {
            match (principal, login) {
                (Principal::Person(person), LoginName::Space(space)) => match entrance::program(purpose) {
                    Some(program) => entrance::enter(&platform, &person, &space, program, &mut parts).await,
                    None => finish(&mut parts, 1).await,
                },
                (principal, LoginName::Console | LoginName::Join | LoginName::Space(_)) => {
                    console::serve(&platform, &principal, purpose, &mut parts).await;
                }
            }
        })
        .catch_unwind()
        .await;
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

/// Ends a channel with a failure: its text on standard error, its code as exit status.
pub(crate) async fn fail(parts: &mut ChannelParts, failure: &Failure) {
    let mut text = failure.to_string();
    if parts.terminal.is_some() {
        text = text.replace('\n', "\r\n");
    }
    // A client that is gone already needs no text.
    drop(parts.ssh.write.extended_data_bytes(1, text).await);
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
