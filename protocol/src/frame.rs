//! Frames between the gateway and a guest.
//!
//! A guest dials the gateway's socket. Its first frame on each connection is a [`Hello`]:
//!
//! ```text
//! guest                                        gateway
//!   |-- Hello::Control ------------------------->|   one connection, kept
//!   |<------------------------- Open { ticket } -|   for each channel the gateway wants
//!   |-- Hello::Channel { ticket } -------------->|   one more connection: its own back-pressure
//!   |<------------------------ Begin(Run{..}) --|
//!   |-- Started | Failed ----------------------->|
//!   |<=== Stdin, StdinEof, Resize, Signal =======|
//!   |==== Stdout, Stderr, Exited ===============>|   Exited comes once, when the process ended;
//!   |-- (connection closed) -------------------->|   the close says that its output is complete
//! ```
//!
//! A guest keeps a few connections ready besides (`Hello::Spare`), on which the gateway may begin at any time: then
//! there is no ticket, and nothing to wait for.
//!
//! Instead of a program a channel may be a socket of the Space ([`Task::Dial`], [`Task::Adopt`]), whose two
//! directions end apart ([`ToGuest::StdinEof`], [`FromGuest::StdoutEof`]), or somebody who listens for such sockets
//! ([`Task::Listen`], then [`FromGuest::Accepted`] for each, as long as the channel is there).
//!
//! A terminal may be held ([`Task::Hold`]): its program goes on when the channel ends, and another channel can
//! show it again ([`Task::Attach`]). Both answer with [`FromGuest::Showing`] in the place of `Started`.
//!
//! On the wire a frame is a length prefix of four bytes, one byte of kind, and a body: raw bytes for the
//! three streams, postcard for the rest. Whatever comes from a guest is hostile until [`Frame::decode`] and
//! `FromGuest`'s own bounds have passed it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::session::{SessionNumber, SessionReference, SessionToken};

mod display;
mod envelope;

pub use display::{Connections, Cookie, Display};
pub use envelope::{Frame, FrameError, LENGTH, Message, Stream};

/// Spoken version. New messages go to the end of their enums: a Space that ran through an upgrade of the gateway
/// has the guest it was started with, and is not asked for what that guest does not know.
pub const VERSION: u16 = 5;

/// The oldest guest that a gateway still talks with.
pub const OLDEST_VERSION: u16 = 2;

/// The oldest guest that holds terminals.
pub const HOLDS_SINCE: u16 = 3;

/// The oldest guest that tells which jobs run in them.
pub const JOBS_SINCE: u16 = 5;

/// Most bytes of stream data in one frame: below this the system calls cost a third of the rate, above it
/// nothing is gained.
pub const MAX_DATA: usize = 64 * 1024;

/// Most bytes of a whole frame, as the codec's limit: a full argument list with its environment fits.
pub const MAX_FRAME: usize = 256 * 1024;

/// Where the gateway's socket folder is mounted in a Space.
pub const SOCKET_PATH: &str = "/.spaces/run/gateway.sock";

/// Where the guest's own program is mounted in a Space.
pub const GUEST_PATH: &str = "/.spaces/bin/spaces-guest";

/// What one connection is for; the first message a guest sends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hello {
    /// The guest's one control connection.
    Control {
        /// The guest's [`VERSION`].
        version: u16,
    },
    /// The connection of a channel that the gateway asked for.
    Channel {
        /// The ticket out of [`ToGuest::Open`].
        ticket: u64,
    },
    /// A connection for the next channel that the gateway wants, so that it need not ask for one first.
    Spare,
    /// A program in the Space asks that it be kept up, or no longer. The answer is [`ToGuest::Held`].
    Hold(Hold),
}

/// What keeps a Space up that does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// For so many seconds from now on; 0 ends all holds.
    pub seconds: u64,
    /// What for, for people.
    pub reason: String,
}

/// Whether a hold was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// The Space stays up until then, a time stamp of RFC 3339.
    Until(String),
    /// Nothing keeps it up any more.
    Ended,
    /// It was not; the text is for the person.
    Refused(String),
    /// Too much is asked at once: later.
    Busy,
}

/// From the gateway to a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGuest {
    /// On the control connection: dial one more connection and show this ticket.
    Open {
        /// Random, single use, short-lived.
        ticket: u64,
    },
    /// First on a channel: do this.
    Begin(Task),
    /// No more bytes for standard input.
    StdinEof,
    /// The client reads no more output: close the program's, so that its next write fails.
    OutputClosed,
    /// The terminal has this size now.
    Resize(WindowSize),
    /// Send this signal to the program's process group.
    Signal(Signal),
    /// The answer to [`Hello::Hold`].
    Held(Held),
}

/// What a channel is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Run a program.
    Run(Start),
    /// Connect to this, and carry the bytes.
    Dial {
        /// As in [`Start::user`].
        user: String,
        /// Where to.
        endpoint: Endpoint,
    },
    /// Listen here.
    Listen {
        /// As in [`Start::user`].
        user: String,
        /// Where.
        place: Place,
    },
    /// Carry the bytes of a connection that was [`FromGuest::Accepted`].
    Adopt {
        /// Its number.
        connection: u64,
    },
    /// Run a program in a terminal that outlives this channel. The token is the asker's own name for it.
    Hold {
        /// What to run; it has a terminal.
        start: Start,
        /// To attach by.
        token: Option<SessionToken>,
    },
    /// Show a terminal that is held.
    Attach(Attach),
    /// Tell which terminals are held.
    ListSessions,
    /// Hang up on the program of a terminal that is held.
    EndSession(SessionReference),
    /// Tell what runs in the foreground of terminals that are held.
    ListJobs,
}

/// From a guest to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromGuest {
    /// First on every connection.
    Hello(Hello),
    /// The program runs.
    Started,
    /// The program could not be started, or the socket not be made; the text is for the person.
    Failed(String),
    /// The answer to [`Task::Listen`].
    Listening(Listening),
    /// Somebody connected to where we listen. Whoever adopts it has to be quick.
    Accepted {
        /// Unique for this guest.
        connection: u64,
        /// Where from, for TCP.
        from: Option<SocketAddr>,
    },
    /// The socket's other end writes no more. It may still read.
    StdoutEof,
    /// The program ended. Output may still follow until the connection closes.
    Exited(Exit),
    /// The answer to [`Task::Hold`] and [`Task::Attach`]: what follows is this terminal's.
    Showing(Showing),
    /// Somebody else has taken the terminal.
    Taken,
    /// The answer to [`Task::ListSessions`].
    Sessions(Vec<HeldSession>),
    /// The answer to [`Task::EndSession`].
    SessionEnded,
    /// The answer to [`Task::ListJobs`].
    Jobs(Vec<Job>),
}

/// What to run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The user's login shell, alone or with a command.
    pub program: Program,
    /// Name in the Space's passwd to run as; where the image has no such user, uid 0.
    pub user: String,
    /// Variables on top of those that a login sets.
    pub environment: Vec<(String, String)>,
    /// A terminal, if the client asked for one.
    pub terminal: Option<Terminal>,
}

/// How to show a terminal that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Which; `None` for the one that was left last.
    pub session: Option<SessionReference>,
    /// What for.
    pub purpose: AttachPurpose,
    /// The size of the client's terminal.
    pub size: WindowSize,
    /// Where this client's SSH agent listens now.
    pub agent: Option<String>,
    /// What this client calls itself, to come back by. It takes the place of nobody but itself.
    pub token: Option<SessionToken>,
}

/// What a client wants of a terminal that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttachPurpose {
    /// Go on in it, if nobody else is.
    GoOn,
    /// Go on in it, and send away whoever else is.
    Take,
    /// Look on.
    Watch,
}

/// Which terminal a channel shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Showing {
    /// Its number.
    pub session: SessionNumber,
    /// Seconds since nobody was there, where that is so.
    pub away: Option<u64>,
    /// Other terminals that nobody shows.
    pub detached: Vec<SessionNumber>,
}

/// A terminal that is held. The gateway trusts none of the texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSession {
    /// Its number.
    pub session: SessionNumber,
    /// The program in its foreground.
    pub program: String,
    /// What that program calls its window.
    pub title: String,
    /// How many show it, those who only look on included.
    pub viewers: u32,
    /// When it was made, in seconds since the epoch.
    pub created_at: u64,
    /// Since when nobody is there, where that is so, likewise.
    pub detached_at: Option<u64>,
    /// Its size.
    pub size: WindowSize,
}

/// A program that somebody's shell waits for, in a terminal that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which terminal.
    pub session: SessionNumber,
    /// Its name. The gateway does not trust the text.
    pub program: String,
}

/// A socket to connect to, inside the Space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    /// A name or an address, which the Space resolves.
    Tcp {
        /// Host.
        host: String,
        /// Port.
        port: u16,
    },
    /// A path; any bytes but NUL.
    Unix(Vec<u8>),
}

/// A socket to listen on, inside the Space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// RFC 4254, section 7.1: an address, a name, "" for everywhere; port 0 for any that is free.
    Tcp {
        /// Address.
        address: String,
        /// Port.
        port: u16,
    },
    /// A path; any bytes but NUL.
    Unix(Vec<u8>),
    /// A path that nobody but the user can guess or reach, for an SSH agent.
    Agent,
    /// A display that X programs of the user find.
    Display(Display),
}

/// Where a guest listens now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listening {
    /// This port.
    Port(u16),
    /// This path.
    Path(String),
    /// A display of this name, which the cookie in this file opens.
    Display {
        /// For the variable DISPLAY.
        name: String,
        /// For the variable XAUTHORITY.
        authority: String,
    },
}

/// A shell or a command for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// The login shell, as login(1) starts it (argv0 begins with a dash).
    LoginShell,
    /// `shell -c COMMAND`; any bytes but NUL.
    Command(Vec<u8>),
    /// SFTP version 3, served by the guest as the user.
    Sftp,
}

/// A pseudo-terminal, RFC 4254 section 6.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// The TERM variable.
    pub term: String,
    /// Its first size.
    pub size: WindowSize,
    /// Encoded modes: opcode of RFC 4254 section 8, argument.
    pub modes: Vec<(u8, u32)>,
}

/// A terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WindowSize {
    /// Characters a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
    /// Width in pixels, 0 where unknown.
    pub pixel_width: u16,
    /// Height in pixels, 0 where unknown.
    pub pixel_height: u16,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It exited with this status.
    Status(u8),
    /// A signal ended it.
    Signal {
        /// Which.
        signal: Signal,
        /// Whether it left a core dump.
        core_dumped: bool,
    },
}

/// A signal by its RFC 4254 name, or by number where that list has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the documentation: signal(7)")]
pub enum Signal {
    Abrt,
    Alrm,
    Fpe,
    Hup,
    Ill,
    Int,
    Kill,
    Pipe,
    Quit,
    Segv,
    Term,
    Usr1,
    Usr2,
    Other(u8),
}
