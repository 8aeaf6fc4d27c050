//! What a client lends to the programs of one channel: the agent that holds its keys, and its X display. Each is a
//! socket in the Space, for as long as the channel is served.

use std::sync::Arc;

use spaces_protocol::frame::{Connections, Cookie, Display, Listening, Place};
use spaces_protocol::name::SpaceReference;
use spaces_store::{Granted, Space};
use tracing::warn;

use crate::forward::{Origin, Told, Way};
use crate::identity::Person;
use crate::platform::Platform;
use crate::ssh::{Agent, ChannelParts};
use crate::tasks::Owned;

/// Longest name of a way to prove that one may use a display, and longest proof, in bytes. The one that is used
/// has 18 letters and 16 bytes.
const PROTOCOL: usize = 64;
const COOKIE: usize = 256;

/// Where programs look for an agent.
const AGENT: &str = "SSH_AUTH_SOCK";

/// What programs find in their environment. The listeners end when this is dropped.
#[derive(Default)]
pub(crate) struct Lent {
    pub(crate) variables: Vec<(String, String)>,
    listeners: Vec<Owned>,
}

impl Lent {
    /// Where the agent listens, if one is lent.
    pub(crate) fn agent(&self) -> Option<String> {
        self.variables.iter().find(|(name, _path)| name == AGENT).map(|(_name, path)| path.clone())
    }
}

/// Lends what the client offered. What cannot be lent is left out: programs run all the same, as with sshd.
pub(crate) async fn lend(
    platform: &Arc<Platform>,
    person: &Person,
    space: &Granted<Space>,
    parts: &mut ChannelParts,
) -> Lent {
    let display = parts.display.take().map(|display| (Place::Display(display), Origin::X11));
    let agent = match parts.agent {
        Agent::Lent => Some((Place::Agent, Origin::Agent)),
        Agent::Kept => None,
    };
    let mut lent = Lent::default();
    for (place, origin) in agent.into_iter().chain(display) {
        let way = way(platform, person, space, parts);
        match way.listen(place, |_port| origin).await {
            Ok((Listening::Path(path), listener)) => {
                lent.variables.push((AGENT.to_owned(), path));
                lent.listeners.push(listener);
            }
            Ok((Listening::Display { name, authority }, listener)) => {
                lent.variables.extend([("DISPLAY".to_owned(), name), ("XAUTHORITY".to_owned(), authority)]);
                lent.listeners.push(listener);
            }
            Ok((Listening::Port(_), _)) => {
                warn!(space = %space.id, "a guest listens elsewhere than it was asked to");
            }
            Err(refusal) => warn!(space = %space.id, %refusal, "a client's agent or display is not lent"),
        }
    }
    lent
}

fn way(platform: &Arc<Platform>, person: &Person, space: &Granted<Space>, parts: &ChannelParts) -> Way {
    Way {
        platform: Arc::clone(platform),
        person: person.clone(),
        space: SpaceReference::Id(space.id),
        handle: parts.ssh.handle.clone(),
        from: parts.peer.ip(),
        budget: parts.budget.clone(),
        // Entering was.
        told: Arc::new(Told { entered: true.into(), ..Told::default() }),
    }
}

/// A display that a client offers, as RFC 4254, section 6.3 has it: the cookie in hexadecimal digits. `None`: no X
/// server offers such a one.
pub(crate) fn display(
    connections: Connections,
    protocol: &str,
    cookie: &str,
    screen: u32,
) -> Option<Display> {
    let screen = u16::try_from(screen).ok()?;
    let named = !protocol.is_empty() && protocol.len() <= PROTOCOL;
    let named = named && protocol.bytes().all(|byte| byte.is_ascii_graphic());
    let cookie = bytes_of(cookie).filter(|bytes| !bytes.is_empty() && bytes.len() <= COOKIE)?;
    named.then(|| Display { screen, protocol: protocol.to_owned(), cookie: Cookie(cookie), connections })
}

fn bytes_of(hexadecimal: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hexadecimal.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? * 16 + digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_in_hexadecimal_digits() {
        let display = display(Connections::Many, "MIT-MAGIC-COOKIE-1", "00fF7a", 1).unwrap();
        assert_eq!((display.cookie, display.screen), (Cookie(vec![0, 255, 122]), 1));
    }

    #[test]
    fn what_no_x_server_offers_is_refused() {
        let long = "ab".repeat(COOKIE + 1);
        let name = "x".repeat(PROTOCOL + 1);
        for (protocol, cookie, screen) in [
            ("MIT", "abc", 0),
            ("MIT", "zz", 0),
            ("MIT", "", 0),
            ("MIT", "é", 0),
            ("MIT", &long, 0),
            ("", "ab", 0),
            ("M T", "ab", 0),
            (&name, "ab", 0),
            ("MIT", "ab", 70_000),
        ] {
            assert_eq!(display(Connections::One, protocol, cookie, screen), None, "{protocol} {cookie}");
        }
    }
}
