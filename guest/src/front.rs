//! What programs in the Space may ask of the platform, on a socket that all of them reach and no file of theirs: its name
//! is the kernel's, within the Space's network. What they ask goes to the gateway, and its answer back.
//!
//! ```text
//! spaces hold 4h --Hello::Hold--> process 1 --Hello::Hold--> gateway
//!                <------Held-----           <------Held-----
//! ```

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener, UnixStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::UnixAddr;

use spaces_link::{Reader, Writer, split};
use spaces_protocol::frame::{Frame, FromGuest, Held, Hello, Hold, ToGuest};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::time;

use crate::connection::{ConnectionError, connect_to, dial};
use crate::space::Space;
use crate::tasks;

/// Who asks at once. Others wait for their turn.
const ASKING: usize = 4;

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long to wait where nobody can be let in.
const PAUSE: Duration = Duration::from_millis(100);

/// Where to ask, for the guest of this gateway socket: tests have many of them in one network.
fn name(gateway: &Path) -> Vec<u8> {
    [b"spaces:", gateway.as_os_str().as_bytes()].concat()
}

/// Answers whoever asks, for ever.
pub(crate) async fn serve(space: Rc<Space>) -> io::Result<()> {
    let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(name(&space.socket))?)?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let asking = Arc::new(Semaphore::new(ASKING));
    loop {
        let Ok(permit) = Arc::clone(&asking).acquire_owned().await else { return Ok(()) };
        let Ok((stream, _address)) = listener.accept().await else {
            // Out of descriptors or memory, mostly: what ends next makes room again.
            time::sleep(PAUSE).await;
            continue;
        };
        let space = Rc::clone(&space);
        tasks::spawn("front", async move {
            // Whoever is gone, or says something else, needs no answer.
            drop(time::timeout(DEADLINE, answer(&space, stream.into_std()?)).await);
            drop(permit);
            io::Result::Ok(())
        });
    }
}

async fn answer(space: &Space, stream: UnixStream) -> Result<(), ConnectionError> {
    let (mut asked, mut answers): (Reader<FromGuest>, Writer<ToGuest>) = split(stream)?;
    let Some(Frame::Message(FromGuest::Hello(Hello::Hold(hold)))) = asked.next().await? else {
        return Err(ConnectionError::OutOfTurn);
    };
    let answer = forward(space, hold).await.unwrap_or_else(|error| Held::Refused(error.to_string()));
    answers.send(ToGuest::Held(answer)).await?;
    Ok(())
}

async fn forward(space: &Space, hold: Hold) -> Result<Held, ConnectionError> {
    let (mut frames, _writer) = dial(&space.socket, Hello::Hold(hold)).await?;
    match frames.next().await? {
        Some(Frame::Message(ToGuest::Held(answer))) => Ok(answer),
        // One that is older closes what it does not know.
        None => Ok(Held::Refused("this platform knows no holds".to_owned())),
        Some(
            Frame::Message(
                ToGuest::Open { .. }
                | ToGuest::Begin(_)
                | ToGuest::StdinEof
                | ToGuest::OutputClosed
                | ToGuest::Resize(_)
                | ToGuest::Signal(_),
            )
            | Frame::Stdin(_)
            | Frame::Stdout(_)
            | Frame::Stderr(_),
        ) => Err(ConnectionError::OutOfTurn),
    }
}

/// Asks process 1: the other end of [`serve`], in a program.
pub(crate) async fn ask(gateway: &Path, hold: Hold) -> Result<Held, ConnectionError> {
    let (mut answers, mut asks): (Reader<ToGuest>, Writer<FromGuest>) =
        split(connect_to(&UnixAddr::new_abstract(&name(gateway)).map_err(io::Error::from)?)?)?;
    asks.send(FromGuest::Hello(Hello::Hold(hold))).await?;
    match time::timeout(DEADLINE, answers.next()).await.map_err(io::Error::from)?? {
        Some(Frame::Message(ToGuest::Held(answer))) => Ok(answer),
        None | Some(_) => Err(ConnectionError::OutOfTurn),
    }
}
