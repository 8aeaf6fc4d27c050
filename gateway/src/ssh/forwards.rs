//! What one connection forwards: who listens for it in the Space, and how much it carries.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use spaces_protocol::frame::{Listening, Place};
use tokio::sync::Semaphore;

use crate::forward::{Origin, Way};
use crate::tasks::Owned;

/// Most that one connection may listen on.
const LISTENERS: usize = 64;

/// The forwards of a connection. Its end ends them.
pub(crate) struct Forwards {
    listeners: HashMap<Asked, Owned>,
    room: Arc<Semaphore>,
    most: usize,
    recorded: Arc<AtomicBool>,
}

/// What a client asked to listen on, and names to end it. A port that it left open is the one that it was told.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Asked {
    Tcp(String, u32),
    Unix(String),
}

impl Forwards {
    /// None yet, with room for so many connections at once.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            listeners: HashMap::new(),
            room: Arc::new(Semaphore::new(most)),
            most,
            recorded: Arc::default(),
        }
    }

    /// Room for connections, to be held by each as long as it is carried.
    pub(crate) fn room(&self) -> Arc<Semaphore> {
        Arc::clone(&self.room)
    }

    /// Whether the audit trail knows of them.
    pub(crate) fn recorded(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.recorded)
    }

    /// How many are carried.
    pub(crate) fn in_use(&self) -> usize {
        self.most - self.room.available_permits()
    }

    /// Listens, if it is allowed and can be; sets a port that was left open.
    ///
    /// The client waits for the answer before anything else on this connection is heard: RFC 4254 has answers to
    /// such requests in their order, and russh asks here for it.
    pub(crate) async fn listen_tcp(&mut self, way: Option<Way>, address: &str, port: &mut u32) -> bool {
        let (Some(way), Ok(wanted)) = (way, u16::try_from(*port)) else {
            return false;
        };
        if !self.has_room_for(&tcp(address, *port)) {
            return false;
        }
        let place = Place::Tcp { address: address.to_owned(), port: wanted };
        // OpenSSH tells its forwards apart by the port that they have in the end.
        let origin = |port| Origin::Tcp(address.to_owned(), port);
        match way.listen(place, origin).await {
            // A guest that listens elsewhere than it was asked to is of no use.
            Some((Listening::Port(given), listener)) if wanted == 0 || given == wanted => {
                *port = given.into();
                self.listeners.insert(tcp(address, *port), listener);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Those that ended with their Space make room.
    fn has_room_for(&mut self, asked: &Asked) -> bool {
        self.listeners.retain(|_asked, listener| !listener.has_ended());
        self.listeners.len() < LISTENERS && !self.listeners.contains_key(asked)
    }

    pub(crate) fn stop_tcp(&mut self, address: &str, port: u32) -> bool {
        self.listeners.remove(&tcp(address, port)).is_some()
    }

    pub(crate) async fn listen_unix(&mut self, way: Option<Way>, path: &str) -> bool {
        let asked = Asked::Unix(path.to_owned());
        let Some(way) = way.filter(|_| self.has_room_for(&asked)) else {
            return false;
        };
        let origin = |_port| Origin::Unix(path.to_owned());
        match way.listen(Place::Unix(path.into()), origin).await {
            Some((Listening::Path(_), listener)) => {
                self.listeners.insert(asked, listener);
                true
            }
            Some((Listening::Port(_) | Listening::Display { .. }, _)) | None => false,
        }
    }

    pub(crate) fn stop_unix(&mut self, path: &str) -> bool {
        self.listeners.remove(&Asked::Unix(path.to_owned())).is_some()
    }
}

fn tcp(address: &str, port: u32) -> Asked {
    Asked::Tcp(address.to_owned(), port)
}
