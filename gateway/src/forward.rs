//! Forwards: sockets inside a Space that a client reaches (RFC 4254, section 7.2), and what a client offers that
//! programs in the Space reach (section 7.1, OpenSSH's unix sockets, the SSH agent, an X display).
//!
//! ```text
//! client --direct-tcpip--> gateway --Dial--> guest --> socket in the Space
//! client <-forwarded-tcpip- gateway <-Accepted- guest <-- program in the Space
//! ```
//!
//! The guest dials and listens, inside the Space's network and as its user.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::Channel;
use russh::server::{ChannelOpenHandle, Handle, Msg};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::frame::{Endpoint, FromGuest, Listening, Place, Task, ToGuest};
use spaces_protocol::name::SpaceReference;
use spaces_protocol::setting::Forwarding;
use spaces_provisioner::Progress;
use spaces_store::{Granted, Space};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::identity::Person;
use crate::platform::Platform;
use crate::refusal::Refusal;
use crate::relay::{GuestReader, GuestWriter, SshChannel, Window, carry};
use crate::ssh::{Budget, Room};
use crate::tasks::{self, Owned};
use crate::{audit, entrance};

/// How long a socket in the Space may take to be connected: a little more than the guest gives it.
const DIAL: Duration = Duration::from_secs(35);

/// How long a Space may take to listen, and so a client's later requests may wait for their answers.
const LISTEN: Duration = Duration::from_secs(10);

/// How long a client may take to answer that it takes a connection.
const ANSWER: Duration = Duration::from_secs(30);

/// A person's way into one Space, on one connection.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) platform: Arc<Platform>,
    pub(crate) person: Person,
    pub(crate) space: SpaceReference,
    pub(crate) handle: Handle,
    pub(crate) from: IpAddr,
    /// Room for channels on this connection.
    pub(crate) budget: Budget,
    pub(crate) told: Arc<Told>,
}

/// What is told once for a connection, however much it forwards.
#[derive(Default)]
pub(crate) struct Told {
    /// The audit trail: that it went into the Space.
    pub(crate) entered: AtomicBool,
    /// The operator: that its forwards are denied.
    pub(crate) denied: AtomicBool,
}

impl Told {
    /// Tells the operator who denied what.
    pub(crate) fn denied(&self, person: &Person, refusal: &Refusal) {
        if !self.denied.swap(true, Ordering::Relaxed) {
            info!(user = %person.user().email, "refused: {refusal}");
        }
    }
}

/// How a client learns of a connection that was made in the Space.
#[derive(Clone)]
pub(crate) enum Origin {
    /// With the address and port that the client asked for.
    Tcp(String, u32),
    /// With the path that it asked for.
    Unix(String),
    Agent,
    X11,
}

impl Way {
    /// Connects a channel that the client wants to open to a socket in the Space, in a task of its own.
    pub(crate) fn dial(self, endpoint: Endpoint, channel: Channel<Msg>, reply: ChannelOpenHandle) {
        drop(tasks::spawn("forward", async move {
            let Some(room) = self.budget.take() else {
                return Refusal::Full.answer(reply).await;
            };
            let user = self.platform.config.space.user.clone();
            match self.begin(Task::Dial { user, endpoint }, DIAL).await {
                Ok((FromGuest::Started, guest)) => {
                    reply.accept().await;
                    self.carry(channel, guest, room).await;
                }
                Ok((_strange, _guest)) => self.out_of_turn().answer(reply).await,
                Err(refusal) => refusal.answer(reply).await,
            }
        }));
    }

    /// Listens in the Space for this client, until the task that is given back is dropped. `origin` makes of the
    /// port, 0 where there is none, what the client is told of each connection.
    pub(crate) async fn listen(
        self,
        place: Place,
        origin: impl FnOnce(u32) -> Origin,
    ) -> Result<(Listening, Owned), Refusal> {
        let user = self.platform.config.space.user.clone();
        match self.begin(Task::Listen { user, place }, LISTEN).await? {
            (FromGuest::Listening(listening), guest) => {
                let port = match &listening {
                    Listening::Port(port) => u32::from(*port),
                    Listening::Path(_) | Listening::Display { .. } => 0,
                };
                let listener = Owned::spawn("listener", self.announce(guest, origin(port)));
                Ok((listening, listener))
            }
            (_strange, _guest) => Err(self.out_of_turn()),
        }
    }

    /// Has each connection to a listener carried to the client, for as long as this person may use the Space: whose key
    /// was removed does not keep a port there.
    async fn announce(self, guest: (GuestReader, GuestWriter), origin: Origin) {
        // Kept: to drop the writer is to end the listener.
        let (mut reader, _writer) = guest;
        while let Ok(FromGuest::Accepted { connection, from }) = reader.message_some_time().await {
            let Some(room) = self.budget.wait().await else {
                return;
            };
            let space = match self.entitled().await {
                Ok(space) => space,
                // It says nothing of this person; the connection waits for its end in the Space.
                Err(failure) if matches!(failure.code, Code::Unavailable | Code::Internal) => continue,
                Err(_refused) => return,
            };
            let (way, origin) = (self.clone(), origin.clone());
            drop(tasks::spawn("forwarded", way.adopt(space, connection, from, origin, room)));
        }
    }

    /// Offers the client a connection that was made in the Space, and carries it if it is taken and forwards are
    /// not denied by now.
    async fn adopt(
        self,
        space: Granted<Space>,
        connection: u64,
        from: Option<SocketAddr>,
        origin: Origin,
        room: Room,
    ) {
        if self.unless_denied(&space).is_err() {
            // Taken to be let go: the program in the Space is told by its socket's end.
            drop(timeout(LISTEN, self.reach(&space, Task::Adopt { connection })).await);
            return;
        }
        let offer = self.offer(origin, from);
        tokio::pin!(offer);
        let answer = timeout(ANSWER, &mut offer).await;
        // Also where the client does not want it: the program in the Space is told by its socket's end.
        let adopted = self.begin(Task::Adopt { connection }, LISTEN).await;
        match (answer, adopted) {
            (Ok(Ok(channel)), Ok((FromGuest::Started, guest))) => self.carry(channel, guest, room).await,
            (Ok(Ok(channel)), _) => drop(channel.close().await),
            (Ok(Err(error)), _) => debug!(%error, "a client did not take a connection"),
            (Err(_elapsed), adopted) => {
                drop(adopted);
                // A channel that it opens after all is not left open. The connection's end ends this wait.
                if let Ok(channel) = offer.await {
                    drop(channel.close().await);
                }
            }
        }
    }

    async fn offer(&self, origin: Origin, from: Option<SocketAddr>) -> Result<Channel<Msg>, russh::Error> {
        let (host, from) =
            from.map_or((String::new(), 0), |from| (from.ip().to_string(), from.port().into()));
        match origin {
            Origin::Tcp(address, port) => {
                self.handle.channel_open_forwarded_tcpip(address, port, host, from).await
            }
            Origin::Unix(path) => self.handle.channel_open_forwarded_streamlocal(path).await,
            Origin::Agent => self.handle.channel_open_agent().await,
            Origin::X11 => self.handle.channel_open_x11(host, from).await,
        }
    }

    async fn carry(&self, channel: Channel<Msg>, guest: (GuestReader, GuestWriter), room: Room) {
        let window = Window::new(channel.id(), self.handle.clone());
        let (read, write) = channel.split();
        let handle = self.handle.clone();
        let mut ssh = SshChannel { read, write, handle, window, output_closed: CancellationToken::new() };
        carry(&mut ssh, guest, &self.platform.leftovers).await;
        ssh.until_closed().await;
        drop(room);
    }

    /// One more channel into the Space for this, with the guest's answer, which it has to give within this time.
    /// Wakes a Space that nobody put to sleep.
    async fn begin(
        &self,
        task: Task,
        within: Duration,
    ) -> Result<(FromGuest, (GuestReader, GuestWriter)), Refusal> {
        let answer = timeout(within, self.ask(task)).await;
        answer.unwrap_or_else(|_elapsed| Err(Refusal::Failed("the space did not answer in time".to_owned())))
    }

    async fn ask(&self, task: Task) -> Result<(FromGuest, (GuestReader, GuestWriter)), Refusal> {
        let space = self.permitted().await?;
        self.reach(&space, task).await
    }

    async fn reach(
        &self,
        space: &Granted<Space>,
        task: Task,
    ) -> Result<(FromGuest, (GuestReader, GuestWriter)), Refusal> {
        let awake = self.platform.lifecycle.ensure_running(space, Progress::none()).await;
        awake.map_err(|error| error.explain(&self.space.to_string()))?;
        let lost = |error: &dyn fmt::Display| {
            debug!(space = %space.id, %error, "a forward found no way into its space");
            Refusal::Failed("the space does not answer".to_owned())
        };
        let guest = self.platform.hub.channel(space.id).await;
        let (mut reader, mut writer) = guest.map_err(|error| lost(&error))?;
        writer.message(ToGuest::Begin(task)).await.map_err(|error| lost(&error))?;
        let answer = reader.message_some_time().await.map_err(|error| lost(&error))?;
        if let FromGuest::Failed(reason) = &answer {
            let refusal = Refusal::by_guest(reason);
            debug!(space = %space.id, %refusal, "a forward could not be made");
            return Err(refusal);
        }
        Ok((answer, (reader, writer)))
    }

    /// The Space, if this person may forward into and out of it at this moment.
    pub(crate) async fn permitted(&self) -> Result<Granted<Space>, Refusal> {
        let space = self.entitled().await?;
        self.unless_denied(&space)?;
        Ok(space)
    }

    /// The Space, if this person may still use it.
    async fn entitled(&self) -> Result<Granted<Space>, Failure> {
        let (platform, person) = (&self.platform, &self.person);
        let found = entrance::find(platform, person, &self.space).await;
        // Once for a connection, and each time that it was refused.
        if found.is_err() || !self.told.entered.swap(true, Ordering::Relaxed) {
            let space = found.as_ref().map_or_else(|_| self.space.to_string(), |space| space.id.to_string());
            audit::entered(platform, person, (audit::ENTER, space), self.from, found.as_ref().err());
        }
        found
    }

    fn unless_denied(&self, space: &Space) -> Result<(), Refusal> {
        match space.forwarding {
            Forwarding::Allow => Ok(()),
            Forwarding::Deny => {
                let refusal = Refusal::Space(space.name.clone());
                self.told.denied(&self.person, &refusal);
                Err(refusal)
            }
        }
    }

    /// An answer that is none to what was asked.
    fn out_of_turn(&self) -> Refusal {
        warn!(space = %self.space, "a guest answered out of turn");
        Refusal::Failed("the space does not answer".to_owned())
    }
}
