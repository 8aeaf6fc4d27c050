//! One connection: russh's callbacks, each of which decides at once. Whatever takes time runs in a task,
//! because a callback that waits stops every channel of its connection.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::Certificate;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodKind, MethodSet, Pty};
use spaces_protocol::frame::{Connections, Endpoint};
use spaces_protocol::name::LoginName;
use spaces_protocol::prompt::Instruction;
use tokio_util::sync::CancellationToken;

use super::auth::{Answered, Authentication, Verdict};
use super::channel::{Agent, ChannelParts, Purpose, Waiting, serve};
use super::forwards::Forwards;
use super::stream::Standing;
use crate::forward::Way;
use crate::identity::Principal;
use crate::lend;
use crate::platform::Platform;
use crate::relay::{SshChannel, Window};

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
    /// Channels that do something; the token says that the client reads no more.
    serving: HashMap<ChannelId, CancellationToken>,
    pub(super) forwards: Forwards,
}

impl Connection {
    pub(crate) fn new(
        platform: Arc<Platform>,
        peer: SocketAddr,
        local: SocketAddr,
        standing: Arc<Standing>,
    ) -> Self {
        let authentication = Authentication::new(Arc::clone(&platform), peer.ip());
        let forwards = Forwards::new(platform.config.limits.channels_per_connection);
        Self {
            platform,
            peer,
            local,
            standing,
            authentication,
            waiting: HashMap::new(),
            serving: HashMap::new(),
            forwards,
        }
    }

    fn is_person(&self) -> bool {
        matches!(self.authentication.done(), Some((Principal::Person(_), _)))
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
        self.serving.insert(id, output_closed.clone());
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
            room: self.forwards.room(),
            peer: self.peer,
            local: self.local,
        };
        serve(Arc::clone(&self.platform), principal.clone(), login.clone(), purpose, parts);
        Ok(())
    }

    /// The way into the Space whose login name this is, if forwards are allowed.
    fn way(&self, session: &Session) -> Option<Way> {
        match self.authentication.done() {
            Some((Principal::Person(person), LoginName::Space(space)))
                if self.platform.config.forwarding.allowed =>
            {
                Some(Way {
                    platform: Arc::clone(&self.platform),
                    person: person.clone(),
                    space: space.clone(),
                    handle: session.handle(),
                    from: self.peer.ip(),
                    room: self.forwards.room(),
                    recorded: self.forwards.recorded(),
                })
            }
            Some(_) | None => None,
        }
    }

    fn reply(session: &mut Session, id: ChannelId, accepted: bool) -> Result<(), russh::Error> {
        if accepted { session.channel_success(id) } else { session.channel_failure(id) }
    }
}

async fn dial(way: Option<Way>, endpoint: Option<Endpoint>, channel: Channel<Msg>, reply: ChannelOpenHandle) {
    match (way, endpoint) {
        (None, _) => reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await,
        // No such port.
        (Some(_), None) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
        (Some(way), Some(endpoint)) => way.dial(endpoint, channel, reply),
    }
}

fn auth(login: &str, verdict: Verdict) -> Auth {
    // Only the console has prompts; offering them elsewhere would ask a person for something useless.
    let kinds: &[MethodKind] = if Authentication::prompts(login) {
        &[MethodKind::PublicKey, MethodKind::KeyboardInteractive]
    } else {
        &[MethodKind::PublicKey]
    };
    match verdict {
        Verdict::Accepted => Auth::Accept,
        Verdict::Partial => {
            Auth::Reject { proceed_with_methods: Some(MethodSet::from(kinds)), partial_success: true }
        }
        Verdict::Refused => {
            Auth::Reject { proceed_with_methods: Some(MethodSet::from(kinds)), partial_success: false }
        }
    }
}

fn prompts(instruction: Instruction) -> Auth {
    const PROMPTS: &[(Cow<'static, str>, bool)] =
        &[(Cow::Borrowed("e-mail: "), true), (Cow::Borrowed("auth key: "), false)];
    Auth::Partial {
        name: Cow::Borrowed(""),
        instructions: Cow::Borrowed(instruction.text()),
        prompts: Cow::Borrowed(PROMPTS),
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, login: &str) -> Result<Auth, Self::Error> {
        Ok(auth(login, self.authentication.none(login)))
    }

    async fn auth_publickey_offered(
        &mut self,
        login: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(auth(login, self.authentication.offered(login, offer.public_key, offer.algorithm).await))
    }

    async fn auth_publickey(&mut self, login: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(auth(login, self.authentication.verified(login, key.public_key).await))
    }

    async fn auth_openssh_certificate(
        &mut self,
        login: &str,
        _certificate: &Certificate,
    ) -> Result<Auth, Self::Error> {
        Ok(auth(login, Verdict::Refused))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        login: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        if !Authentication::prompts(login) {
            return Ok(auth(login, Verdict::Refused));
        }
        let Some(mut response) = response else {
            return Ok(prompts(Instruction::Welcome));
        };
        let mut next = || String::from_utf8(response.next()?.to_vec()).ok();
        let (email, auth_key) = (next().unwrap_or_default(), next().unwrap_or_default());
        Ok(match self.authentication.answered(&email, &auth_key).await {
            Answered::Accepted => Auth::Accept,
            Answered::Again(reason) => prompts(reason),
            Answered::Refused => auth(login, Verdict::Refused),
        })
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Self::Error> {
        self.standing.set(if self.is_person() { Standing::PERSON } else { Standing::VISITOR });
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let limit = if self.is_person() {
            self.platform.config.limits.channels_per_connection
        } else {
            VISITOR_CHANNELS
        };
        if self.waiting.len() + self.serving.len() + self.forwards.in_use() >= limit {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.waiting.insert(channel.id(), Waiting::new(channel));
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.waiting.remove(&id);
        self.serving.remove(&id);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        pixel_width: u32,
        pixel_height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let size = crate::relay::window_size(columns, rows, pixel_width, pixel_height);
        let accepted =
            self.waiting.get_mut(&id).is_some_and(|waiting| waiting.set_terminal(term, size, modes));
        Self::reply(session, id, accepted)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let patterns = &self.platform.config.space.accept_env;
        let accepted =
            self.waiting.get_mut(&id).is_some_and(|waiting| waiting.set_variable(name, value, patterns));
        Self::reply(session, id, accepted)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.start(id, Purpose::Shell, session)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(id, Purpose::Exec(command.to_vec()), session)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(id, Purpose::Subsystem(name.to_owned()), session)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        pixel_width: u32,
        pixel_height: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // A channel that serves reads its own messages; this is for one that does nothing yet.
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.resize(crate::relay::window_size(columns, rows, pixel_width, pixel_height));
        }
        Ok(())
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        single_connection: bool,
        protocol: &str,
        cookie: &str,
        screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let connections = if single_connection { Connections::One } else { Connections::Many };
        let display = lend::display(connections, protocol, cookie, screen);
        let allowed = self.platform.config.forwarding.allowed;
        let accepted = match self.waiting.get_mut(&id) {
            Some(waiting) if allowed && display.is_some() => {
                waiting.display = display;
                true
            }
            Some(_) | None => false,
        };
        Self::reply(session, id, accepted)
    }

    async fn agent_request(&mut self, id: ChannelId, _session: &mut Session) -> Result<bool, Self::Error> {
        let allowed = self.platform.config.forwarding.allowed;
        match self.waiting.get_mut(&id) {
            Some(waiting) if allowed => {
                waiting.agent = Agent::Lent;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let endpoint = u16::try_from(port).ok().map(|port| Endpoint::Tcp { host: host.to_owned(), port });
        dial(self.way(session), endpoint, channel, reply).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        dial(self.way(session), Some(Endpoint::Unix(path.into())), channel, reply).await;
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        session: &mut Session,
    ) -> Result<bool, Self::Error> {
        let way = self.way(session);
        Ok(self.forwards.listen_tcp(way, address, port).await)
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _session: &mut Session,
    ) -> Result<bool, Self::Error> {
        Ok(self.forwards.stop_tcp(address, port))
    }

    async fn streamlocal_forward(&mut self, path: &str, session: &mut Session) -> Result<bool, Self::Error> {
        let way = self.way(session);
        Ok(self.forwards.listen_unix(way, path).await)
    }

    async fn cancel_streamlocal_forward(
        &mut self,
        path: &str,
        _session: &mut Session,
    ) -> Result<bool, Self::Error> {
        Ok(self.forwards.stop_unix(path))
    }

    async fn other_channel_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match (name, self.serving.get(&id)) {
            ("eow@openssh.com", Some(output_closed)) => {
                output_closed.cancel();
                session.channel_success(id)
            }
            _ => session.channel_failure(id),
        }
    }
}
