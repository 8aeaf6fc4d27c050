//! Forwards: sockets inside a Space that a client reaches (RFC 4254, section 7.2), and what a client offers that
//! programs in the Space reach (section 7.1, OpenSSH's unix sockets, the SSH agent, an X display).
//!
//! ```text
//! client --direct-tcpip--> gateway --Dial--> guest --> socket in the Space
//! client <-forwarded-tcpip- gateway <-Accepted- guest <-- program in the Space
//! ```
//!
//! The guest dials and listens, inside the Space's network and as its user.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::server::{ChannelOpenHandle, Handle, Msg};
use russh::{Channel, ChannelOpenFailure};
use spaces_protocol::frame::{Endpoint, FromGuest, Listening, Place, Task, ToGuest};
use spaces_protocol::name::SpaceReference;
use spaces_provisioner::Progress;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::identity::Person;
use crate::platform::Platform;
use crate::relay::{GuestReader, GuestWriter, SshChannel, Window, carry};
use crate::ssh::still_known;
use crate::tasks::{self, Owned};
use crate::{audit, entrance};

/// How long a socket in the Space may take to be connected: a little more than the guest gives it.
const DIAL: Duration = Duration::from_secs(35);

/// How long a Space may take to listen. A client's other channels may wait for it, so it is short.
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
    /// Room for the channels of forwards on this connection.
    pub(crate) room: Arc<Semaphore>,
    /// Whether the audit trail knows that this connection went into the Space.
    pub(crate) recorded: Arc<AtomicBool>,
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
            let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
                return reply.reject(ChannelOpenFailure::ResourceShortage).await;
            };
            let user = self.platform.config.space.user.clone();
            match self.begin(Task::Dial { user, endpoint }, DIAL).await {
                Ok((FromGuest::Started, guest)) => {
                    reply.accept().await;
                    self.carry(channel, guest, permit).await;
                }
                Ok(_) | Err(Unreached) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            }
        }));
    }

    /// Listens in the Space for this client, until the task that is given back is dropped. `origin` makes of the
    /// port, 0 where there is none, what the client is told of each connection.
    pub(crate) async fn listen(
        self,
        place: Place,
        origin: impl FnOnce(u32) -> Origin,
    ) -> Option<(Listening, Owned)> {
        let user = self.platform.config.space.user.clone();
        match self.begin(Task::Listen { user, place }, LISTEN).await {
            Ok((FromGuest::Listening(listening), guest)) => {
                let port = match &listening {
                    Listening::Port(port) => u32::from(*port),
                    Listening::Path(_) | Listening::Display { .. } => 0,
                };
                let listener = Owned::spawn("listener", self.announce(guest, origin(port)));
                Some((listening, listener))
            }
            Ok(_) | Err(Unreached) => None,
        }
    }

    /// Has each connection to a listener carried to the client.
    async fn announce(self, guest: (GuestReader, GuestWriter), origin: Origin) {
        // Kept: to drop the writer is to end the listener.
        let (mut reader, _writer) = guest;
        while let Ok(FromGuest::Accepted { connection, from }) = reader.message_some_time().await {
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
                return;
            };
            let (way, origin) = (self.clone(), origin.clone());
            drop(tasks::spawn("forwarded", way.adopt(connection, from, origin, permit)));
        }
    }

    /// Offers the client a connection that was made in the Space, and carries it if it is taken.
    async fn adopt(
        self,
        connection: u64,
        from: Option<SocketAddr>,
        origin: Origin,
        permit: OwnedSemaphorePermit,
    ) {
        let offer = self.offer(origin, from);
        tokio::pin!(offer);
        let answer = timeout(ANSWER, &mut offer).await;
        // Also where the client does not want it: the program in the Space is told by its socket's end.
        let adopted = self.begin(Task::Adopt { connection }, LISTEN).await;
        match (answer, adopted) {
            (Ok(Ok(channel)), Ok((FromGuest::Started, guest))) => self.carry(channel, guest, permit).await,
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

    async fn carry(
        &self,
        channel: Channel<Msg>,
        guest: (GuestReader, GuestWriter),
        room: OwnedSemaphorePermit,
    ) {
        let window = Window::new(channel.id(), self.handle.clone());
        let (read, write) = channel.split();
        let handle = self.handle.clone();
        let mut ssh = SshChannel { read, write, handle, window, output_closed: CancellationToken::new() };
        carry(&mut ssh, guest, &self.platform.leftovers).await;
        drop(room);
    }

    /// One more channel into the Space for this, with the guest's answer, which it has to give within this time.
    /// Wakes a Space that nobody put to sleep.
    async fn begin(
        &self,
        task: Task,
        within: Duration,
    ) -> Result<(FromGuest, (GuestReader, GuestWriter)), Unreached> {
        timeout(within, self.ask(task)).await.map_err(unreached)?
    }

    async fn ask(&self, task: Task) -> Result<(FromGuest, (GuestReader, GuestWriter)), Unreached> {
        let (platform, person) = (&self.platform, &self.person);
        still_known(platform, person).await.map_err(unreached)?;
        let found = entrance::find(platform, person, &self.space).await;
        // Once for a connection, and each time that it was refused.
        if found.is_err() || !self.recorded.swap(true, Ordering::Relaxed) {
            let space = found.as_ref().map_or_else(|_| self.space.to_string(), |space| space.id.to_string());
            audit::entered(platform, person, space, self.from, found.as_ref().err());
        }
        let space = found.map_err(unreached)?;
        let awake = platform.lifecycle.ensure_running(&space, Progress::none()).await;
        awake.map_err(unreached)?;
        let (mut reader, mut writer) = platform.hub.channel(space.id).await.map_err(unreached)?;
        writer.message(ToGuest::Begin(task)).await.map_err(unreached)?;
        let answer = reader.message_some_time().await.map_err(unreached)?;
        if let FromGuest::Failed(reason) = &answer {
            debug!(space = %space.id, %reason, "a forward could not be made");
        }
        Ok((answer, (reader, writer)))
    }
}

/// The way into the Space is shut; the log tells why.
struct Unreached;

fn unreached(error: impl std::fmt::Display) -> Unreached {
    debug!(%error, "a forward found no way into its space");
    Unreached
}
