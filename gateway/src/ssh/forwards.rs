//! What one connection forwards: who listens for it in the Space.
//!
//! ```text
//! asked --room for it--> reserved --the Space listens--> listening --cancelled, or the connection's end--> over
//!    \--no room--> refused          \--it does not--> refused
//! ```
//!
//! A Space may take its time to listen, so that is waited for in a task of its own; russh keeps the answers in the
//! order of the requests. Sessions that are begun meanwhile wait a little for them ([`Unanswered`]): `ssh -R` with
//! `ExitOnForwardFailure` runs no program where it cannot listen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::server::GlobalReply;
use spaces_protocol::frame::{Listening, Place};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::forward::{Origin, Told, Way};
use crate::refusal::Refusal;
use crate::tasks::{self, Owned};

/// Most that one connection may listen on.
const LISTENERS: usize = 64;

/// How long a session waits for the answers to what was asked before it. More than a Space that is well takes, and not
/// so much that one that is not keeps people out of it.
const ORDERLY: Duration = Duration::from_secs(1);

/// The forwards of a connection. Its end ends them.
#[derive(Default)]
pub(crate) struct Forwards {
    listeners: Arc<Mutex<Listeners>>,
    pub(crate) told: Arc<Told>,
    unanswered: Unanswered,
}

/// How many requests to listen have no answer yet.
#[derive(Clone, Default)]
pub(crate) struct Unanswered(Arc<watch::Sender<usize>>);

/// One of them, until it is dropped.
struct Asking(Unanswered);

impl Unanswered {
    fn ask(&self) -> Asking {
        self.0.send_modify(|count| *count += 1);
        Asking(self.clone())
    }

    /// Waits until there is none, for as long as a Space that is well takes.
    pub(crate) async fn settled(&self) {
        let mut count = self.0.subscribe();
        let settled = timeout(ORDERLY, count.wait_for(|count| *count == 0)).await;
        // Either way the session goes on.
        drop(settled);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

struct Listeners {
    by_place: HashMap<Asked, Held>,
    /// How many places were reserved.
    reserved: u64,
    /// Also for those that were cancelled and that a Space has not answered yet.
    room: Arc<Semaphore>,
    over: bool,
}

impl Default for Listeners {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(LISTENERS));
        Self { by_place: HashMap::new(), reserved: 0, room, over: false }
    }
}

/// What is at a place.
enum Held {
    /// Nobody yet, but for whoever made this reservation.
    Reserved(u64),
    Listening {
        listener: Owned,
        _room: OwnedSemaphorePermit,
    },
}

/// The right to put a listener somewhere.
struct Reservation {
    asked: Asked,
    number: u64,
    room: OwnedSemaphorePermit,
}

/// What a client asked to listen on, and names to end it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asked {
    /// A port that it left open is the one that it was told.
    Tcp(String, u32),
    /// Until that one is known.
    Open(u64),
    Unix(String),
}

impl Forwards {
    /// Listens, if it is allowed and can be, and answers then.
    pub(crate) fn listen_tcp(&self, way: Result<Way, Refusal>, address: &str, port: u32, reply: GlobalReply) {
        let reserved = way.and_then(|way| {
            let wanted = u16::try_from(port).map_err(|_beyond| Refusal::Failed("no such port".to_owned()))?;
            let reservation = self.lock().reserve(|number| match wanted {
                0 => Asked::Open(number),
                port => tcp(address, port.into()),
            })?;
            Ok((way, wanted, reservation))
        });
        let (way, wanted, reservation) = match reserved {
            Ok(reserved) => reserved,
            Err(refusal) => return refuse(reply, &refusal),
        };
        let (listeners, address) = (Arc::clone(&self.listeners), address.to_owned());
        let asking = self.unanswered.ask();
        drop(tasks::spawn("listen", async move {
            let place = Place::Tcp { address: address.clone(), port: wanted };
            // OpenSSH tells its forwards apart by the port that they have in the end.
            let origin = |port| Origin::Tcp(address.clone(), port);
            let listening = match way.listen(place, origin).await {
                // A guest that listens elsewhere than it was asked to is of no use.
                Ok((Listening::Port(given), listener)) if wanted == 0 || given == wanted => {
                    Ok((given, listener))
                }
                Ok(_) => Err(way_off()),
                Err(refusal) => Err(refusal),
            };
            let listening = listening.map(|(given, listener)| (tcp(&address, given.into()), listener));
            let port = |place: &Asked| match place {
                Asked::Tcp(_address, port) if wanted == 0 => Some(*port),
                Asked::Tcp(..) | Asked::Open(_) | Asked::Unix(_) => None,
            };
            answer(&listeners, reservation, listening, port, reply);
            drop(asking);
        }));
    }

    /// Likewise for a unix socket.
    pub(crate) fn listen_unix(&self, way: Result<Way, Refusal>, path: &str, reply: GlobalReply) {
        let asked = Asked::Unix(path.to_owned());
        let reserved = way.and_then(|way| Ok((way, self.lock().reserve(|_number| asked.clone())?)));
        let (way, reservation) = match reserved {
            Ok(reserved) => reserved,
            Err(refusal) => return refuse(reply, &refusal),
        };
        let (listeners, path) = (Arc::clone(&self.listeners), path.to_owned());
        let asking = self.unanswered.ask();
        drop(tasks::spawn("listen", async move {
            let origin = |_port| Origin::Unix(path.clone());
            let listening = match way.listen(Place::Unix(path.clone().into()), origin).await {
                Ok((Listening::Path(_), listener)) => Ok((asked, listener)),
                Ok((Listening::Port(_) | Listening::Display { .. }, _)) => Err(way_off()),
                Err(refusal) => Err(refusal),
            };
            answer(&listeners, reservation, listening, |_place| None, reply);
            drop(asking);
        }));
    }

    /// What sessions wait for.
    pub(crate) fn unanswered(&self) -> Unanswered {
        self.unanswered.clone()
    }

    pub(crate) fn stop_tcp(&self, address: &str, port: u32) -> bool {
        self.lock().by_place.remove(&tcp(address, port)).is_some()
    }

    pub(crate) fn stop_unix(&self, path: &str) -> bool {
        self.lock().by_place.remove(&Asked::Unix(path.to_owned())).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        lock(&self.listeners)
    }
}

impl Drop for Forwards {
    fn drop(&mut self) {
        let mut listeners = self.lock();
        listeners.over = true;
        listeners.by_place.clear();
    }
}

impl Listeners {
    /// Those that ended with their Space make room.
    fn reserve(&mut self, asked: impl FnOnce(u64) -> Asked) -> Result<Reservation, Refusal> {
        self.by_place.retain(|_asked, held| match held {
            Held::Reserved(_) => true,
            Held::Listening { listener, .. } => !listener.has_ended(),
        });
        self.reserved += 1;
        let number = self.reserved;
        let asked = asked(number);
        if self.by_place.contains_key(&asked) {
            return Err(Refusal::Failed("this connection listens there already".to_owned()));
        }
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_none_left| Refusal::Full)?;
        self.by_place.insert(asked.clone(), Held::Reserved(number));
        Ok(Reservation { asked, number, room })
    }

    /// Puts a listener where it is found by what the client knows of it, unless the client has given up.
    fn settle(&mut self, reservation: Reservation, place: Asked, listener: Owned) -> Result<(), Refusal> {
        if self.over || !self.release(&reservation) {
            return Err(Refusal::Failed("it was cancelled".to_owned()));
        }
        // Another of this connection's, which a Space that lies could end by it.
        if self.by_place.contains_key(&place) {
            return Err(way_off());
        }
        self.by_place.insert(place, Held::Listening { listener, _room: reservation.room });
        Ok(())
    }

    /// Whether it was still there.
    fn release(&mut self, Reservation { asked, number, .. }: &Reservation) -> bool {
        let held = matches!(self.by_place.get(asked), Some(Held::Reserved(holder)) if holder == number);
        if held {
            self.by_place.remove(asked);
        }
        held
    }
}

/// Tells the client what came of it; `port` makes of the place what it is told where it left the port open.
fn answer(
    listeners: &Mutex<Listeners>,
    reservation: Reservation,
    listening: Result<(Asked, Owned), Refusal>,
    port: impl FnOnce(&Asked) -> Option<u32>,
    reply: GlobalReply,
) {
    let settled = match listening {
        Ok((place, listener)) => {
            let port = port(&place);
            lock(listeners).settle(reservation, place, listener).map(|()| port)
        }
        Err(refusal) => {
            lock(listeners).release(&reservation);
            Err(refusal)
        }
    };
    match settled {
        Ok(port) => reply.accept(port),
        Err(refusal) => refuse(reply, &refusal),
    }
}

/// OpenSSH shows the words with `-v`.
fn refuse(reply: GlobalReply, refusal: &Refusal) {
    reply.reject(format!("remote forwarding refused: {refusal}"));
}

fn lock(listeners: &Mutex<Listeners>) -> MutexGuard<'_, Listeners> {
    // A panic while they were held leaves them whole: each change is one call.
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tcp(address: &str, port: u32) -> Asked {
    Asked::Tcp(address.to_owned(), port)
}

fn way_off() -> Refusal {
    Refusal::Failed("the space listens elsewhere than it was asked to".to_owned())
}
