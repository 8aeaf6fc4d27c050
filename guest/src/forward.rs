//! A channel that carries the bytes of a socket inside the Space, whose two directions end apart.
//!
//! ```text
//! gateway --Stdin--> socket     StdinEof:  we write no more to it
//! gateway <-Stdout-- socket     StdoutEof: it writes no more to us
//! both ended, or either side broke: closed
//! ```

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use spaces_protocol::frame::{Endpoint, Frame, FromGuest, MAX_DATA, ToGuest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::account::{self, Account};
use crate::channel;
use crate::connection::{ConnectionError, FrameReader, FrameWriter, Stream, connect_now};
use crate::identity::as_user;
use crate::reason;
use crate::resolver::resolve;
use crate::space::Space;

/// How long a host may take to be found and to answer.
const DIAL: Duration = Duration::from_secs(30);

/// The socket that is carried.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Connects, and carries the bytes.
pub(crate) async fn dial(
    space: &Space,
    frames: FrameReader,
    writer: FrameWriter,
    user: &str,
    endpoint: &Endpoint,
) -> Result<(), ConnectionError> {
    let connected = async {
        let permit = space.admit().map_err(|full| full.to_string())?;
        let account = account::look_up(user).map_err(|error| error.to_string())?;
        match timeout(DIAL, connect_to(&account, endpoint)).await {
            Ok(Ok(socket)) => Ok((socket, permit)),
            Ok(Err(error)) => Err(reason::of(&error)),
            Err(_elapsed) => Err("no answer in time".to_owned()),
        }
    };
    begin(frames, writer, connected.await).await
}

/// Carries the bytes of a connection that somebody made to us.
pub(crate) async fn adopt(
    space: &Space,
    frames: FrameReader,
    writer: FrameWriter,
    connection: u64,
) -> Result<(), ConnectionError> {
    let socket = space.accepted.take(connection).ok_or_else(|| "that connection is gone".to_owned());
    let ready = socket.and_then(|socket| {
        let permit = space.admit().map_err(|full| full.to_string())?;
        Ok((socket, permit))
    });
    begin(frames, writer, ready).await
}

/// `_permit` is held as long as the bytes are carried.
async fn begin<Permit>(
    mut frames: FrameReader,
    mut writer: FrameWriter,
    ready: Result<(Socket, Permit), String>,
) -> Result<(), ConnectionError> {
    match ready {
        Err(reason) => writer.send(FromGuest::Failed(reason)).await?,
        Ok((socket, _permit)) => {
            writer.send(FromGuest::Started).await?;
            match socket {
                Socket::Tcp(stream) => {
                    let (read, write) = stream.into_split();
                    carry(&mut frames, &mut writer, read, write).await?;
                }
                Socket::Unix(stream) => {
                    let (read, write) = stream.into_split();
                    carry(&mut frames, &mut writer, read, write).await?;
                }
            }
        }
    }
    channel::close(frames, writer).await;
    Ok(())
}

async fn connect_to(account: &Account, endpoint: &Endpoint) -> io::Result<Socket> {
    match endpoint {
        Endpoint::Unix(path) => {
            let path = path_of(path);
            // In one call that does not wait: it is made as somebody else.
            let stream = as_user(account, || connect_now(&path))?;
            Ok(Socket::Unix(UnixStream::from_std(stream)?))
        }
        Endpoint::Tcp { host, port } => {
            let stream = connect_tcp(resolve(host).await?, *port).await?;
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

async fn connect_tcp(addresses: Vec<IpAddr>, port: u16) -> io::Result<TcpStream> {
    let mut first = None;
    for address in addresses {
        match TcpStream::connect((address, port)).await {
            Ok(stream) => return Ok(stream),
            // What the others say tells less: a Space without IPv6 cannot go to ::1 at all.
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| io::Error::other("no such host")))
}

/// A path as it came off the wire.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

async fn carry(
    frames: &mut FrameReader,
    writer: &mut FrameWriter,
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
) -> Result<(), ConnectionError> {
    let outwards = outwards(read, writer);
    tokio::pin!(outwards);
    let fed = {
        let inwards = inwards(frames, write);
        tokio::pin!(inwards);
        tokio::select! {
            fed = &mut inwards => fed?,
            ended = &mut outwards => {
                // The socket writes no more, or the gateway takes no more. What the gateway gave is still for the
                // socket, to the last byte.
                inwards.await?;
                return ended;
            }
        }
    };
    match fed {
        Inwards::GatewayGone => Ok(()),
        // A socket that stays open and says nothing must not outlive the gateway's interest in it.
        Inwards::Eof | Inwards::Broken => tokio::select! {
            ended = &mut outwards => ended,
            closed = frames.hung_up() => Ok(closed?),
        },
    }
}

/// How the way in ended.
enum Inwards {
    Eof,
    /// The socket takes no more.
    Broken,
    GatewayGone,
}

async fn inwards(
    frames: &mut FrameReader,
    mut write: impl AsyncWrite + Unpin,
) -> Result<Inwards, ConnectionError> {
    while let Some(frame) = frames.next().await? {
        match frame {
            Frame::Stdin(bytes) => {
                if write.write_all(&bytes).await.is_err() {
                    return Ok(Inwards::Broken);
                }
            }
            Frame::Message(ToGuest::StdinEof) => {
                drop(write.shutdown().await);
                return Ok(Inwards::Eof);
            }
            Frame::Message(
                ToGuest::Open { .. }
                | ToGuest::Begin(_)
                | ToGuest::OutputClosed
                | ToGuest::Resize(_)
                | ToGuest::Signal(_)
                | ToGuest::Held(_),
            )
            | Frame::Stdout(_)
            | Frame::Stderr(_) => return Err(ConnectionError::OutOfTurn),
        }
    }
    Ok(Inwards::GatewayGone)
}

async fn outwards(mut read: impl AsyncRead + Unpin, writer: &mut FrameWriter) -> Result<(), ConnectionError> {
    let mut buffer = vec![0; MAX_DATA].into_boxed_slice();
    // A socket that broke has ended: its reader cannot be told more over SSH.
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        writer.send_data(Stream::Stdout, buffer.get(..count).unwrap_or_default()).await?;
    }
    writer.send(FromGuest::StdoutEof).await
}
