//! One connection: who it is, what its channels do, and what it may. Whatever takes time runs in a task, because a
//! callback that waits stops every channel of its connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::ChannelId;
use russh::server::{Handle, Session};
use spaces_protocol::name::LoginName;
use tokio_util::sync::CancellationToken;

use super::auth::Authentication;
use super::budget::Budget;
use super::channel::{ChannelParts, Purpose, Serving, Waiting, serve};
use super::forwards::Forwards;
use super::stream::Standing;
use crate::forward::Way;
use crate::identity::{Person, Principal, Wish};
use crate::platform::Platform;
use crate::refusal::Refusal;
use crate::relay::{SshChannel, Window};

mod handler;

/// Channels of a connection without a registered key: each may hold a window of our memory.
const VISITOR_CHANNELS: usize = 2;

/// The state of one SSH connection.
pub(crate) struct Connection {
    platform: Arc<Platform>,
    peer: SocketAddr,
    local: SocketAddr,
    standing: Arc<Standing>,
    authentication: Authentication,
    /// Channels that are open and do nothing yet.
    waiting: HashMap<ChannelId, Waiting>,
    /// Channels that do something.
    serving: HashMap<ChannelId, Serving>,
    forwards: Forwards,
    budget: Budget,
}

impl Connection {
    pub(crate) fn new(
        platform: Arc<Platform>,
        peer: SocketAddr,
        local: SocketAddr,
        standing: Arc<Standing>,
    ) -> Self {
        let authentication = Authentication::new(Arc::clone(&platform), peer.ip());
        let budget =
            Budget::new(platform.config.limits.channels_per_connection, Arc::clone(&platform.metrics));
        Self {
            platform,
            peer,
            local,
            standing,
            authentication,
            waiting: HashMap::new(),
            serving: HashMap::new(),
            forwards: Forwards::default(),
            budget,
        }
    }

    fn is_person(&self) -> bool {
        matches!(self.authentication.done(), Some((Principal::Person(_), _)))
    }

    /// Whether whoever this is may do it: a certificate may leave it out.
    fn may(&self, wish: Wish<'_>) -> bool {
        match self.authentication.done() {
            Some((Principal::Person(person), _)) => person.may(wish),
            Some((Principal::Newcomer(_) | Principal::Stranger, _)) | None => true,
        }
    }

    /// Starts what the channel is for. The reply goes out here, before anything else can ask for one.
    fn start(&mut self, id: ChannelId, purpose: Purpose, session: &mut Session) -> Result<(), russh::Error> {
        let Some((principal, login)) = self.authentication.done() else {
            return session.channel_failure(id);
        };
        if !purpose.is_served_on(login) {
            return session.channel_failure(id);
        }
        let Some(waiting) = self.waiting.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let output_closed = CancellationToken::new();
        let tty = waiting.tty();
        self.serving.insert(id, Serving { output_closed: output_closed.clone(), tty, _room: waiting.room });
        let (read, write) = waiting.channel.split();
        let parts = ChannelParts {
            ssh: SshChannel {
                read,
                write,
                handle: session.handle(),
                window: Window::new(id, session.handle()),
                output_closed,
            },
            environment: waiting.environment,
            terminal: waiting.terminal,
            agent: waiting.agent,
            display: waiting.display,
            budget: self.budget.clone(),
            peer: self.peer,
            local: self.local,
        };
        let unanswered = self.forwards.unanswered();
        serve(Arc::clone(&self.platform), principal.clone(), login.clone(), purpose, parts, unanswered);
        Ok(())
    }

    /// The way into the Space whose login name this is, unless the platform denies all of them or a certificate
    /// leaves this out.
    fn way(&self, handle: Handle, wish: Wish<'_>) -> Result<Way, Refusal> {
        match self.authentication.done() {
            Some((Principal::Person(person), LoginName::Space(space))) => {
                self.unless_denied(person, wish)?;
                Ok(Way {
                    platform: Arc::clone(&self.platform),
                    person: person.clone(),
                    space: space.clone(),
                    handle,
                    from: self.peer.ip(),
                    budget: self.budget.clone(),
                    told: Arc::clone(&self.forwards.told),
                })
            }
            Some(_) | None => Err(Refusal::Nowhere),
        }
    }

    /// Whether this person may lend something to programs in a Space at this moment.
    async fn may_lend(&self, handle: Handle, wish: Wish<'_>) -> Result<(), Refusal> {
        match self.authentication.done() {
            // To which Space is not known yet: entering it asks again.
            Some((Principal::Person(person), LoginName::Console)) => self.unless_denied(person, wish),
            Some(_) | None => self.way(handle, wish)?.permitted().await.map(drop),
        }
    }

    /// What the platform or a certificate denies this person everywhere.
    fn unless_denied(&self, person: &Person, wish: Wish<'_>) -> Result<(), Refusal> {
        let refusal = if !self.platform.config.forwarding.allowed {
            Refusal::Platform
        } else if !person.may(wish) {
            Refusal::Certificate
        } else {
            return Ok(());
        };
        self.forwards.told.denied(person, &refusal);
        Err(refusal)
    }

    fn reply(session: &mut Session, id: ChannelId, accepted: bool) -> Result<(), russh::Error> {
        if accepted { session.channel_success(id) } else { session.channel_failure(id) }
    }
}
