//! russh's callbacks for one connection. One that waits stops every channel, so each decides at once, but for those
//! whose answer russh wants from the callback itself: a key is looked up in the store, and so is whether a Space lets
//! its programs be lent something.

use std::borrow::Cow;

use russh::keys::Certificate;
use russh::server::{
    Auth, ChannelOpenHandle, GlobalReply, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty, Sig};
use spaces_protocol::frame::{Connections, Endpoint};
use spaces_protocol::prompt::Instruction;

use super::{Connection, VISITOR_CHANNELS};
use crate::forward::Way;
use crate::identity::Wish;
use crate::lend;
use crate::refusal::Refusal;
use crate::relay::can_signal;
use crate::ssh::auth::{Answered, Authentication, Verdict};
use crate::ssh::channel::{Agent, Purpose, Tty, Waiting};
use crate::ssh::stream::Standing;

async fn dial(
    way: Result<Way, Refusal>,
    endpoint: Option<Endpoint>,
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
) {
    match (way, endpoint) {
        (Err(refusal), _) => refusal.answer(reply).await,
        (Ok(_), None) => Refusal::Failed("no such port".to_owned()).answer(reply).await,
        (Ok(way), Some(endpoint)) => way.dial(endpoint, channel, reply),
    }
}

/// Whether it was granted. The answer to a request has no words in SSH, so why not goes ahead of it, as sshd does
/// it: OpenSSH shows that with `-v`.
fn granted<T>(
    what: &str,
    outcome: Result<T, Refusal>,
    session: &mut Session,
) -> Result<Option<T>, russh::Error> {
    match outcome {
        Ok(granted) => Ok(Some(granted)),
        Err(refusal) => {
            session.debug(true, &format!("{what} refused: {refusal}"), "en")?;
            Ok(None)
        }
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
        Ok(auth(login, self.authentication.offered(login, offer).await))
    }

    async fn auth_publickey(&mut self, login: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(auth(login, self.authentication.verified(login, key.public_key).await))
    }

    async fn auth_openssh_certificate(
        &mut self,
        login: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Self::Error> {
        Ok(auth(login, self.authentication.certified(login, certificate).await))
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
        let may = self.is_person() || self.waiting.len() + self.serving.len() < VISITOR_CHANNELS;
        match self.budget.take().filter(|_room| may) {
            Some(room) => {
                self.waiting.insert(channel.id(), Waiting::new(channel, room));
                reply.accept().await;
            }
            None => Refusal::Full.answer(reply).await,
        }
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
        let accepted = self.may(Wish::Terminal)
            && self.waiting.get_mut(&id).is_some_and(|waiting| waiting.set_terminal(term, size, modes));
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
        let display = match lend::display(connections, protocol, cookie, screen) {
            Some(display) => self.may_lend(session.handle(), Wish::Display).await.map(|()| display),
            None => Err(Refusal::Failed("no X server offers such a display".to_owned())),
        };
        let display = granted("X11 forwarding", display, session)?;
        let waiting = self.waiting.get_mut(&id).filter(|_| display.is_some());
        let accepted = waiting.map(|waiting| waiting.display = display).is_some();
        Self::reply(session, id, accepted)
    }

    async fn agent_request(&mut self, id: ChannelId, session: &mut Session) -> Result<bool, Self::Error> {
        let may = self.may_lend(session.handle(), Wish::Agent).await;
        let lent = granted("agent forwarding", may, session)?;
        let waiting = self.waiting.get_mut(&id).filter(|_| lent.is_some());
        Ok(waiting.map(|waiting| waiting.agent = Agent::Lent).is_some())
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
        dial(self.way(session.handle(), Wish::Forward), endpoint, channel, reply).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        dial(self.way(session.handle(), Wish::Forward), Some(Endpoint::Unix(path.into())), channel, reply)
            .await;
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        reply: GlobalReply,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.forwards.listen_tcp(self.way(session.handle(), Wish::Forward), address, port, reply);
        Ok(())
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _session: &mut Session,
    ) -> Result<bool, Self::Error> {
        Ok(self.forwards.stop_tcp(address, port))
    }

    async fn streamlocal_forward(
        &mut self,
        path: &str,
        reply: GlobalReply,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.forwards.listen_unix(self.way(session.handle(), Wish::Forward), path, reply);
        Ok(())
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
        let accepted = match (name, self.serving.get(&id)) {
            ("eow@openssh.com", Some(serving)) => {
                serving.output_closed.cancel();
                true
            }
            // RFC 4335. Linux has no break on a pseudo-terminal: sshd's call there does nothing and succeeds.
            ("break", Some(serving)) => serving.tty == Tty::Yes,
            _ => false,
        };
        Self::reply(session, id, accepted)
    }

    /// The channel has the signal already, as a message; here it is answered.
    async fn signal(&mut self, id: ChannelId, signal: Sig, session: &mut Session) -> Result<(), Self::Error> {
        let accepted = self.serving.contains_key(&id) && can_signal(&signal);
        Self::reply(session, id, accepted)
    }
}
