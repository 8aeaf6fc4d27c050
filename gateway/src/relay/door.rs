//! One Space's socket: takes the guest's control connection, and matches the channels it dials to those who
//! asked for them.
//!
//! ```text
//! accept -> Hello::Control -> becomes the control connection (a newer one replaces an older, and its spares)
//!        -> Hello::Spare   -> is kept for whoever asks next
//!        -> Hello::Channel -> its ticket is looked up once and handed to whoever waits for it
//!        -> Hello::Hold    -> is asked of the platform, and answered
//!        -> anything else, or nothing in time -> closed
//! ```
//!
//! What turns out to be of no use keeps its place among those that greet for a while, so that a guest that floods waits
//! for itself; and only so much of what guests do is logged.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use spaces_protocol::frame::{FromGuest, Held, Hello, Hold, OLDEST_VERSION, SOCKET_PATH, ToGuest, VERSION};
use spaces_protocol::name::SpaceId;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::hub::HubError;
use super::socket::{ANSWER, GuestReader, GuestWriter, framed, unframed};
use super::traffic::{Gate, Traffic};
use crate::tasks::{self, Owned};

/// Connections of one guest that have not said hello yet, or were of no use. A guest that floods waits in its own
/// backlog.
const GREETING: usize = 32;

/// How long one that was of no use counts among them.
const WASTED: Duration = Duration::from_secs(1);

/// Holds that programs in one Space may ask for, a minute.
const ASKING: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// Connections that nobody has taken yet.
const BACKLOG: i32 = 1024;

/// Lines of the log a minute about the connections of one guest.
const NEWS: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Connections that are kept for whoever asks next. A guest that sends more has them closed.
const SPARES: usize = 4;

/// Requests for channels that the control connection has not taken yet.
const PENDING: usize = 256;

/// Where requests for channels go: the guest's present control connection, if it has one.
type Control = Option<mpsc::Sender<u64>>;
/// A connection on its way to whoever asked for it, on another thread.
type Arrived = std::os::unix::net::UnixStream;
type Waiting = HashMap<u64, oneshot::Sender<Arrived>>;

/// What is to be told at terminals, each time that it changes.
pub(crate) type Notices = watch::Receiver<Arc<str>>;

/// A program in a Space asks that it be kept up.
pub(crate) struct HoldAsked {
    pub(crate) space: SpaceId,
    pub(crate) hold: Hold,
    pub(crate) answer: oneshot::Sender<Held>,
}

pub(crate) struct Door {
    shared: Arc<Shared>,
    _accepting: Owned,
}

struct Shared {
    space: SpaceId,
    control: watch::Sender<Control>,
    /// What the guest speaks that connected last.
    version: AtomicU16,
    waiting: Mutex<Waiting>,
    spares: Mutex<VecDeque<Arrived>>,
    gate: Gate,
    ended: Notify,
    notices: watch::Sender<Arc<str>>,
    holds: mpsc::Sender<HoldAsked>,
    asking: DefaultDirectRateLimiter,
    news: DefaultDirectRateLimiter,
}

/// A ticket that nobody waits for any more once this is gone.
struct Forgotten<'a> {
    shared: &'a Shared,
    ticket: u64,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.shared.waiting().remove(&self.ticket);
    }
}

/// What came of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Carried,
    Wasted,
}

/// Listens where nobody may connect but who need not ask for permission, as root of a Space: else a user of a Space
/// whose number is that of the gateway's own user could speak for the guest.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    // The kernel makes the file with the mode that the socket has: there is no moment at which it is open to others.
    std::fs::File::from(OwnedFd::from(socket.try_clone()?))
        .set_permissions(std::fs::Permissions::from_mode(0o000))?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    UnixListener::from_std(OwnedFd::from(socket).into())
}

impl Door {
    /// Listens in this folder. A socket that an earlier gateway left there is replaced.
    pub(crate) fn open(space: SpaceId, folder: &Path, holds: &mpsc::Sender<HoldAsked>) -> io::Result<Self> {
        // By way of the folder's descriptor: a socket's path has 108 bytes, a state folder may be deep.
        let folder = std::fs::File::open(folder)?;
        let name = Path::new(SOCKET_PATH).file_name().unwrap_or_default();
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = listen(&path)?;
        let shared = Arc::new(Shared {
            space,
            control: watch::Sender::new(None),
            version: AtomicU16::new(0),
            waiting: Mutex::default(),
            spares: Mutex::default(),
            gate: Gate::default(),
            ended: Notify::new(),
            notices: watch::Sender::new(Arc::from("")),
            holds: holds.clone(),
            asking: RateLimiter::direct(Quota::per_minute(ASKING)),
            news: RateLimiter::direct(Quota::per_minute(NEWS)),
        });
        let accepting = Owned::spawn("door", accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, _accepting: accepting })
    }

    /// What the guest speaks that connected last; 0 before the first.
    pub(crate) fn guest_version(&self) -> u16 {
        self.shared.version.load(Ordering::Relaxed)
    }

    /// One more connection: one that the guest keeps ready, or else one that it is asked for. Waits for both of them to
    /// be there.
    pub(crate) async fn channel(&self) -> Result<(GuestReader, GuestWriter), HubError> {
        Ok(framed(self.connection().await?, &self.shared.gate.traffic)?)
    }

    /// What people at terminals in the Space are to be told.
    pub(super) fn notices(&self) -> &watch::Sender<Arc<str>> {
        &self.shared.notices
    }

    /// Who may come in.
    pub(super) fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    async fn connection(&self) -> Result<Arrived, HubError> {
        if let Some(spare) = self.shared.take_spare() {
            return Ok(spare);
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = self.shared.issue(sender);
        // Also where whoever asks goes away before.
        let _forgotten = Forgotten { shared: &self.shared, ticket };
        let coming = async {
            timeout(ANSWER, self.shared.ask(ticket)).await.ok()?;
            timeout(ANSWER, receiver).await.ok()?.ok()
        };
        // Both are safe to drop: a guest that was asked and comes all the same finds its ticket forgotten.
        tokio::select! {
            arrived = coming => arrived.ok_or(HubError::Silent),
            () = self.shared.ended.notified() => Err(HubError::Ended),
        }
    }

    /// Tells those who wait for the guest that it is gone.
    pub(super) fn ended(&self) {
        self.shared.ended.notify_waiters();
    }
}

impl Shared {
    fn issue(&self, sender: oneshot::Sender<Arrived>) -> u64 {
        let ticket = rand::random();
        self.waiting().insert(ticket, sender);
        ticket
    }

    /// Hands the ticket to the control connection, waiting for a guest that has just started or lost us.
    async fn ask(&self, ticket: u64) {
        let mut changes = self.control.subscribe();
        loop {
            let control = changes.borrow_and_update().clone();
            if let Some(control) = control
                && control.send(ticket).await.is_ok()
            {
                return;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// A spare connection whose guest is still there.
    fn take_spare(&self) -> Option<Arrived> {
        let mut spares = self.spares();
        // Those that are of no use were closed, mostly with their Space.
        std::iter::from_fn(|| spares.pop_front()).find(|spare| is_quiet(spare).unwrap_or(false))
    }

    /// One of a guest whose control connection has not come yet is not kept: nobody knows what that guest speaks.
    fn keep_spare(&self, spare: Arrived) -> Use {
        let connected = self.control.borrow().is_some();
        let mut spares = self.spares();
        if connected && spares.len() < SPARES {
            spares.push_back(spare);
            return Use::Carried;
        }
        Use::Wasted
    }

    /// Whether one more line about this guest may go into the log.
    fn is_news(&self) -> bool {
        self.news.check().is_ok()
    }

    fn spares(&self) -> std::sync::MutexGuard<'_, VecDeque<Arrived>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the other end is there and has said nothing.
fn is_quiet(connection: &Arrived) -> io::Result<bool> {
    match SockRef::from(connection).peek(&mut [MaybeUninit::uninit()]) {
        Ok(_end_or_bytes) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let greeting = Arc::new(Semaphore::new(GREETING));
    loop {
        let Ok(permit) = Arc::clone(&greeting).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _address)) => {
                let shared = Arc::clone(&shared);
                drop(tasks::spawn("guest", async move {
                    if greet(stream, shared).await == Use::Wasted {
                        tokio::time::sleep(WASTED).await;
                    }
                    drop(permit);
                }));
            }
            Err(error) => {
                // Out of descriptors, mostly: the next connection that ends makes room again.
                warn!(space = %shared.space, %error, "a guest's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Gives the connection to whoever it is for, or serves it to its end.
async fn greet(stream: UnixStream, shared: Arc<Shared>) -> Use {
    let Ok((mut reader, writer)) = stream.into_std().and_then(|stream| framed(stream, &Traffic::default()))
    else {
        return Use::Wasted;
    };
    match reader.message().await {
        Ok(FromGuest::Hello(Hello::Control { version: version @ OLDEST_VERSION..=VERSION })) => {
            shared.version.store(version, Ordering::Relaxed);
            control(reader, writer, &shared).await;
        }
        Ok(FromGuest::Hello(Hello::Control { version })) => {
            if shared.is_news() {
                warn!(space = %shared.space, version, "the guest speaks another version: stop and start the space");
            }
        }
        Ok(FromGuest::Hello(Hello::Channel { ticket })) => {
            let waiting = shared.waiting().remove(&ticket);
            let Some(asker) = waiting else {
                debug!(space = %shared.space, "a guest came with a ticket that nobody waits for");
                return Use::Wasted;
            };
            if let Some(stream) = whole(reader, writer, &shared) {
                // The asker may have given up in this very moment; the guest sees a closed connection.
                drop(asker.send(stream));
                return Use::Carried;
            }
        }
        Ok(FromGuest::Hello(Hello::Spare)) => {
            if let Some(stream) = whole(reader, writer, &shared) {
                return shared.keep_spare(stream);
            }
        }
        Ok(FromGuest::Hello(Hello::Hold(hold))) => answer_hold(hold, writer, &shared).await,
        Ok(
            FromGuest::Started
            | FromGuest::Failed(_)
            | FromGuest::Exited(_)
            | FromGuest::Listening(_)
            | FromGuest::Accepted { .. }
            | FromGuest::StdoutEof
            | FromGuest::Showing(_)
            | FromGuest::Taken
            | FromGuest::Sessions(_)
            | FromGuest::SessionEnded
            | FromGuest::Jobs(_),
        ) => {
            if shared.is_news() {
                warn!(space = %shared.space, "a guest did not say hello first");
            }
        }
        Err(error) => debug!(space = %shared.space, %error, "a guest's connection said no hello"),
    }
    Use::Wasted
}

/// Has the platform decide. A program that is told nothing asks again.
async fn answer_hold(hold: Hold, mut writer: GuestWriter, shared: &Shared) {
    let decision = async {
        // Each is a write to the store, and a line of the log. Who asked too often can still end what was granted.
        let ends = hold.seconds == 0 && shared.is_news();
        if !ends {
            shared.asking.check().ok()?;
        }
        let (answer, decided) = oneshot::channel();
        shared.holds.try_send(HoldAsked { space: shared.space, hold, answer }).ok()?;
        info!(space = %shared.space, "a hold is asked for");
        timeout(ANSWER, decided).await.ok()?.ok()
    };
    let decision = decision.await.unwrap_or(Held::Busy);
    // Whoever does not wait for it is gone.
    drop(writer.message(ToGuest::Held(decision)).await);
}

/// A connection for another thread, unless the guest said more on it than hello.
fn whole(reader: GuestReader, writer: GuestWriter, shared: &Shared) -> Option<Arrived> {
    let stream = unframed(reader, writer);
    let complain = |error: &io::Error| {
        if shared.is_news() {
            warn!(space = %shared.space, %error, "a guest's channel is of no use");
        }
    };
    stream.inspect_err(complain).ok()
}

/// Serves one control connection until it ends or a newer one takes its place.
async fn control(mut reader: GuestReader, mut writer: GuestWriter, shared: &Shared) {
    let (sender, mut tickets) = mpsc::channel(PENDING);
    // Before our own entry: whatever replaces it is then sure to be seen.
    let mut newest = shared.control.subscribe();
    // Spares of a guest that was there before lead nowhere.
    shared.spares().clear();
    shared.control.send_replace(Some(sender.clone()));
    if shared.is_news() {
        info!(space = %shared.space, "guest connected");
    }
    let ours = |control: &Control| control.as_ref().is_some_and(|current| current.same_channel(&sender));
    loop {
        tokio::select! {
            replaced = newest.changed() => {
                if replaced.is_err() || !ours(&newest.borrow_and_update()) {
                    break;
                }
            }
            ticket = tickets.recv() => {
                let Some(ticket) = ticket else { break };
                match timeout(ANSWER, writer.message(ToGuest::Open { ticket })).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            // A guest says nothing on its control connection: whatever comes, or its end, ends it.
            said = reader.next() => {
                if let Ok(Some(_)) = said
                    && shared.is_news()
                {
                    warn!(space = %shared.space, "a guest spoke on its control connection");
                }
                break;
            }
        }
    }
    // Only if it is still ours: a newer connection may have taken the place already.
    shared.control.send_if_modified(|control| {
        let end = ours(control);
        if end {
            *control = None;
        }
        end
    });
    debug!(space = %shared.space, "guest disconnected");
}
