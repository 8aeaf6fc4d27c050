//! A channel that listens: each connection made to it is told to the gateway, which has it carried by a channel of
//! its own. It ends, and with it what it made in the file system, when the gateway closes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use nix::unistd::mkdtemp;
use spaces_protocol::frame::{Connections, Display, FromGuest, Listening, Place};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use crate::account::{self, Account};
use crate::channel;
use crate::connection::{ConnectionError, FrameReader, FrameWriter};
use crate::display;
use crate::forward::{Socket, path_of};
use crate::identity::as_user;
use crate::reason;
use crate::resolver::resolve;
use crate::space::Space;
use crate::tasks;

/// Connections of one listener that wait to be adopted; more wait in the kernel's backlog.
const WAITING: usize = 64;

/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that were accepted and told, and that nobody carries yet.
#[derive(Default)]
pub(crate) struct Accepted {
    waiting: Rc<RefCell<BTreeMap<u64, Waiting>>>,
    next: Cell<u64>,
}

struct Waiting {
    socket: Socket,
    _room: OwnedSemaphorePermit,
    /// Ends the clock when dropped.
    _clock: oneshot::Sender<Infallible>,
}

impl Accepted {
    /// The connection of this number, once.
    pub(crate) fn take(&self, connection: u64) -> Option<Socket> {
        self.waiting.borrow_mut().remove(&connection).map(|waiting| waiting.socket)
    }

    fn is_waiting(&self, connection: u64) -> bool {
        self.waiting.borrow().contains_key(&connection)
    }

    fn keep(&self, socket: Socket, room: OwnedSemaphorePermit) -> u64 {
        let (clock, taken) = oneshot::channel();
        let number = self.next.get();
        self.next.set(number + 1);
        self.waiting.borrow_mut().insert(number, Waiting { socket, _room: room, _clock: clock });
        let waiting = Rc::clone(&self.waiting);
        tasks::spawn("accepted", async move {
            if timeout(PATIENCE, taken).await.is_err() {
                waiting.borrow_mut().remove(&number);
            }
            Ok::<(), Infallible>(())
        });
        number
    }
}

/// Connections of one listener. Those that nobody has adopted end with it: whoever made them is not kept waiting.
struct Unclaimed<'a> {
    accepted: &'a Accepted,
    connections: Vec<u64>,
}

impl Unclaimed<'_> {
    fn add(&mut self, connection: u64) {
        self.connections.retain(|earlier| self.accepted.is_waiting(*earlier));
        self.connections.push(connection);
    }
}

impl Drop for Unclaimed<'_> {
    fn drop(&mut self) {
        for connection in &self.connections {
            drop(self.accepted.take(*connection));
        }
    }
}

/// Listens until the gateway closes.
pub(crate) async fn serve(
    space: &Space,
    mut frames: FrameReader,
    mut writer: FrameWriter,
    user: &str,
    place: &Place,
) -> Result<(), ConnectionError> {
    let mut listening = match listen(user, place).await {
        Ok(listening) => listening,
        Err(error) => {
            writer.send(FromGuest::Failed(reason::of(&error))).await?;
            channel::close(frames, writer).await;
            return Ok(());
        }
    };
    writer.send(FromGuest::Listening(listening.place.clone())).await?;
    let room = Arc::new(Semaphore::new(WAITING));
    let mut unclaimed = Unclaimed { accepted: &space.accepted, connections: Vec::new() };
    loop {
        tokio::select! {
            frame = frames.next() => return match frame? {
                None => Ok(()),
                Some(_) => Err(ConnectionError::OutOfTurn),
            },
            accepted = listening.accept(&room) => match accepted {
                Ok((socket, from, permit)) => {
                    listening.count();
                    let connection = space.accepted.keep(socket, permit);
                    unclaimed.add(connection);
                    writer.send(FromGuest::Accepted { connection, from }).await?;
                }
                // Out of descriptors, mostly: wait for some to be free instead of spinning.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
        }
    }
}

/// What listens.
struct Listener {
    place: Listening,
    sockets: Sockets,
    connections: Connections,
    _files: Files,
}

enum Sockets {
    /// Both families where the address is of both.
    Tcp(TcpListener, Option<TcpListener>),
    Unix(UnixListener),
    /// It took all that it is for.
    Closed,
}

/// What was made in the file system, to be removed as whoever made it.
struct Files {
    account: Account,
    file: Option<PathBuf>,
    folder: Option<PathBuf>,
}

impl Drop for Files {
    fn drop(&mut self) {
        let (file, folder) = (self.file.take(), self.folder.take());
        if file.is_none() && folder.is_none() {
            return;
        }
        // What is gone already needs no removing.
        drop(as_user(&self.account, || {
            drop(file.map(std::fs::remove_file));
            folder.map_or(Ok(()), std::fs::remove_dir)
        }));
    }
}

impl Listener {
    /// One more connection was taken.
    fn count(&mut self) {
        match self.connections {
            Connections::Many => {}
            Connections::One => self.sockets = Sockets::Closed,
        }
    }

    async fn accept(
        &self,
        room: &Arc<Semaphore>,
    ) -> io::Result<(Socket, Option<SocketAddr>, OwnedSemaphorePermit)> {
        let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
        let (socket, from) = match &self.sockets {
            Sockets::Closed => std::future::pending().await,
            Sockets::Unix(listener) => (Socket::Unix(listener.accept().await?.0), None),
            Sockets::Tcp(first, second) => {
                let (stream, from) = tokio::select! {
                    accepted = first.accept() => accepted?,
                    accepted = accept_second(second.as_ref()) => accepted?,
                };
                stream.set_nodelay(true)?;
                (Socket::Tcp(stream), Some(from))
            }
        };
        Ok((socket, from, permit))
    }
}

async fn accept_second(listener: Option<&TcpListener>) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// A folder for an agent's socket. Where sshd has it; an image may bring no /tmp along, and the engine gives each
/// container the other.
pub(crate) fn private_folder() -> io::Result<PathBuf> {
    Ok(mkdtemp("/tmp/ssh-XXXXXXXXXX").or_else(|_none| mkdtemp("/dev/shm/ssh-XXXXXXXXXX"))?)
}

async fn listen(user: &str, place: &Place) -> io::Result<Listener> {
    let account = account::look_up(user).map_err(io::Error::other)?;
    match place {
        Place::Tcp { address, port } => listen_tcp(account, address, *port).await,
        Place::Unix(path) => listen_unix(account, path_of(path), None),
        Place::Agent => {
            let folder = as_user(&account, private_folder)?;
            listen_unix(account, folder.join("agent"), Some(folder))
        }
        Place::Display(display) => listen_display(account, display),
    }
}

fn listen_display(account: Account, display: &Display) -> io::Result<Listener> {
    let ports = as_user(&account, display::claim)?;
    let folder = as_user(&account, private_folder)?;
    let authority = folder.join("Xauthority");
    // Before the file: what was made is removed also where it could not be written.
    let files = Files { account, file: Some(authority.clone()), folder: Some(folder) };
    as_user(&files.account, || display::write_authority(&authority, ports.number, display))?;
    let place = Listening::Display {
        name: display::name(ports.number, display),
        authority: authority.to_string_lossy().into_owned(),
    };
    let sockets = Sockets::Tcp(served(ports.first)?, ports.second.map(served).transpose()?);
    Ok(Listener { place, sockets, connections: display.connections, _files: files })
}

fn served(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn listen_tcp(account: Account, address: &str, port: u16) -> io::Result<Listener> {
    let addresses = match address {
        "" | "*" => vec![Ipv4Addr::UNSPECIFIED.into()],
        other => resolve(other).await?,
    };
    let bind = |address: SocketAddr| {
        // As the user, who may have no port below 1024.
        served(as_user(&account, || std::net::TcpListener::bind(address))?)
    };
    let mut addresses = addresses.into_iter();
    let first = addresses.next().ok_or_else(|| io::Error::other("no such address"))?;
    let first = bind((first, port).into())?;
    let port = first.local_addr()?.port();
    // A Space may have no IPv6, or the port may be taken there: one family is enough.
    let second = addresses.next().and_then(|address| bind((address, port).into()).ok());
    let files = Files { account, file: None, folder: None };
    let place = Listening::Port(port);
    Ok(Listener {
        place,
        sockets: Sockets::Tcp(first, second),
        connections: Connections::Many,
        _files: files,
    })
}

fn listen_unix(account: Account, path: PathBuf, folder: Option<PathBuf>) -> io::Result<Listener> {
    let text = path.to_string_lossy().into_owned();
    let listener = as_user(&account, || {
        // For its user alone, as sshd's StreamLocalBindMask has it.
        let before = umask(Mode::from_bits_retain(0o177));
        let bound = std::os::unix::net::UnixListener::bind(&path);
        umask(before);
        bound
    })?;
    listener.set_nonblocking(true)?;
    let files = Files { account, file: Some(path), folder };
    Ok(Listener {
        place: Listening::Path(text),
        sockets: Sockets::Unix(UnixListener::from_std(listener)?),
        connections: Connections::Many,
        _files: files,
    })
}
