//! What a guest has to know to stand in for a client's X server (RFC 4254, section 6.3).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A display to make in the Space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Display {
    /// The client's screen, which programs find behind the display's number.
    pub screen: u16,
    /// How programs prove that they may use it: `MIT-MAGIC-COOKIE-1`, mostly.
    pub protocol: String,
    /// What they prove it with.
    pub cookie: Cookie,
    /// How many may connect.
    pub connections: Connections,
}

/// How many programs may use a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connections {
    /// One, ever.
    One,
    /// As many as like.
    Many,
}

/// A secret between the client and the programs that it lends its display to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie(pub Vec<u8>);

/// Never the bytes: whoever has them reads the client's keyboard.
impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookie({} bytes)", self.0.len())
    }
}
