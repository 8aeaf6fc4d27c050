//! What one connection forwards: who listens for it in the Space.

use std::collections::HashMap;
use std::sync::Arc;

use spaces_protocol::frame::{Listening, Place};

use crate::forward::{Origin, Told, Way};
use crate::refusal::Refusal;
use crate::tasks::Owned;

/// Most that one connection may listen on.
const LISTENERS: usize = 64;

/// The forwards of a connection. Its end ends them.
#[derive(Default)]
pub(crate) struct Forwards {
    listeners: HashMap<Asked, Owned>,
    pub(crate) told: Arc<Told>,
}

/// What a client asked to listen on, and names to end it. A port that it left open is the one that it was told.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Asked {
    Tcp(String, u32),
    Unix(String),
}

impl Forwards {
    /// Listens, if it is allowed and can be; sets a port that was left open.
    ///
    /// The client waits for the answer before anything else on this connection is heard: RFC 4254 has answers to
    /// such requests in their order, and russh asks here for it.
    pub(crate) async fn listen_tcp(
        &mut self,
        way: Way,
        address: &str,
        port: &mut u32,
    ) -> Result<(), Refusal> {
        let wanted = u16::try_from(*port).map_err(|_beyond| Refusal::Failed("no such port".to_owned()))?;
        self.make_room_for(&tcp(address, *port))?;
        let place = Place::Tcp { address: address.to_owned(), port: wanted };
        // OpenSSH tells its forwards apart by the port that they have in the end.
        let origin = |port| Origin::Tcp(address.to_owned(), port);
        match way.listen(place, origin).await? {
            // A guest that listens elsewhere than it was asked to is of no use.
            (Listening::Port(given), listener) if wanted == 0 || given == wanted => {
                *port = given.into();
                self.listeners.insert(tcp(address, *port), listener);
                Ok(())
            }
            _ => Err(way_off()),
        }
    }

    /// Those that ended with their Space make room.
    fn make_room_for(&mut self, asked: &Asked) -> Result<(), Refusal> {
        self.listeners.retain(|_asked, listener| !listener.has_ended());
        if self.listeners.contains_key(asked) {
            return Err(Refusal::Failed("this connection listens there already".to_owned()));
        }
        if self.listeners.len() >= LISTENERS { Err(Refusal::Full) } else { Ok(()) }
    }

    pub(crate) fn stop_tcp(&mut self, address: &str, port: u32) -> bool {
        self.listeners.remove(&tcp(address, port)).is_some()
    }

    pub(crate) async fn listen_unix(&mut self, way: Way, path: &str) -> Result<(), Refusal> {
        let asked = Asked::Unix(path.to_owned());
        self.make_room_for(&asked)?;
        let origin = |_port| Origin::Unix(path.to_owned());
        match way.listen(Place::Unix(path.into()), origin).await? {
            (Listening::Path(_), listener) => {
                self.listeners.insert(asked, listener);
                Ok(())
            }
            (Listening::Port(_) | Listening::Display { .. }, _) => Err(way_off()),
        }
    }

    pub(crate) fn stop_unix(&mut self, path: &str) -> bool {
        self.listeners.remove(&Asked::Unix(path.to_owned())).is_some()
    }
}

fn tcp(address: &str, port: u32) -> Asked {
    Asked::Tcp(address.to_owned(), port)
}

fn way_off() -> Refusal {
    Refusal::Failed("the space listens elsewhere than it was asked to".to_owned())
}
