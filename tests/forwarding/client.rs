//! What OpenSSH's client never does: answer late, ask twice, use a display once.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{ChannelOpenHandle, Config, Handle, Handler, Msg, Session, connect};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg};
use spaces_tests::{Background, Person, Platform, eventually};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longest wait for an answer: more than the gateway's longest.
const PATIENCE: Duration = Duration::from_mins(1);

/// A channel that the gateway offers, not answered.
type Offer = (Channel<Msg>, ChannelOpenHandle);

/// Leaves the answer to each offer to the test.
struct Offered(mpsc::Sender<Offer>);

impl Handler for Offered {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(self.0.send((channel, reply)).await);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(self.0.send((channel, reply)).await);
        Ok(())
    }
}

async fn client(platform: &Platform, person: &Person) -> (Handle<Offered>, mpsc::Receiver<Offer>) {
    let (sender, offers) = mpsc::channel(16);
    let address = ("127.0.0.1", platform.port());
    let mut handle =
        connect(Arc::new(Config::default()), address, Offered(sender)).await.expect("a connection");
    let key = PrivateKey::read_openssh_file(person.key()).expect("a key");
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(handle.authenticate_publickey("room", key).await.expect("an answer").success());
    (handle, offers)
}

async fn next(offers: &mut mpsc::Receiver<Offer>) -> Offer {
    timeout(PATIENCE, offers.recv()).await.expect("an offer").expect("a connection")
}

/// A program in the Space that connects, and ends when its connection does.
fn caller(person: &Person, port: u32) -> Background {
    let script = format!("import socket; socket.create_connection(('localhost', {port})).recv(1)");
    Background::start(person.ssh_command().args(["room@127.0.0.1", &format!("python3 -c \"{script}\"")]))
}

#[tokio::test]
async fn a_channel_that_is_taken_too_late_is_closed_again() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let (handle, mut offers) = client(&platform, &alice).await;
    handle.tcpip_forward("localhost", 7400).await.expect("it listens");
    let program = caller(&alice, 7400);
    let (mut channel, reply) = next(&mut offers).await;
    // Its connection ends when the gateway has waited long enough for the answer.
    assert!(program.end().success());
    reply.accept().await;
    let closed =
        async { while channel.wait().await.is_some_and(|message| !matches!(message, ChannelMsg::Close)) {} };
    timeout(PATIENCE, closed).await.expect("the gateway closes it");
    // The listener goes on.
    let _program = caller(&alice, 7400);
    next(&mut offers).await;
}

#[tokio::test]
async fn what_listened_in_a_space_that_was_stopped_can_be_asked_for_again() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let (handle, mut offers) = client(&platform, &alice).await;
    handle.tcpip_forward("localhost", 7400).await.expect("it listens");
    assert!(handle.tcpip_forward("localhost", 7400).await.is_err(), "it listens there already");
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    alice.ssh("spaces", &["space", "up", "--space", "room"]).ok();
    handle.tcpip_forward("localhost", 7400).await.expect("it listens again");
    let _program = caller(&alice, 7400);
    next(&mut offers).await;
}

/// RFC 4254, section 6.3: `single connection`.
#[tokio::test]
async fn a_display_for_one_connection_takes_one() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let (handle, mut offers) = client(&platform, &alice).await;
    let mut session = handle.channel_open_session().await.expect("a channel");
    session.request_x11(true, true, "MIT-MAGIC-COOKIE-1", "00ff", 0).await.expect("it is asked for");
    session.exec(true, "echo $DISPLAY; exec cat").await.expect("it is asked for");
    let mut named = Vec::new();
    while named.last() != Some(&b'\n') {
        match timeout(PATIENCE, session.wait()).await.expect("its name") {
            Some(ChannelMsg::Data { data }) => named.extend_from_slice(&data),
            Some(_) => {}
            None => panic!("the session ended"),
        }
    }
    assert_eq!(named, b"localhost:10.0\n");
    let _program = caller(&alice, 6010);
    let (_channel, reply) = next(&mut offers).await;
    reply.accept().await;
    let listens = || alice.ssh("room", &["ss -Hltn 'sport = :6010' | wc -l"]).ok();
    eventually(listens, |lines| lines == "0\n");
}
