//! Two ends of one connection.

#![expect(clippy::unwrap_used, reason = "a helper of tests: what fails there fails the test")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use spaces_link::{Reader, Writer, rejoin, split};
use spaces_protocol::frame::{Frame, FromGuest, MAX_DATA, Stream, ToGuest};
use tokio::time::timeout;

type Guest = (Reader<ToGuest>, Writer<FromGuest>);
type Gateway = (Reader<FromGuest>, Writer<ToGuest>);

fn pair() -> (Gateway, Guest) {
    let (gateway, guest) = UnixStream::pair().unwrap();
    (split(gateway).unwrap(), split(guest).unwrap())
}

#[tokio::test]
async fn messages_and_bytes_come_as_they_were_sent() {
    let ((mut from_guest, mut to_guest), (mut from_gateway, mut to_gateway)) = pair();
    to_guest.send(ToGuest::StdinEof).await.unwrap();
    assert_eq!(from_gateway.next().await.unwrap(), Some(Frame::Message(ToGuest::StdinEof)));
    to_gateway.send_data(Stream::Stderr, b"bytes").await.unwrap();
    to_gateway.send(FromGuest::StdoutEof).await.unwrap();
    assert_eq!(from_guest.next().await.unwrap(), Some(Frame::Stderr(b"bytes"[..].into())));
    assert_eq!(from_guest.next().await.unwrap(), Some(Frame::Message(FromGuest::StdoutEof)));
}

#[tokio::test]
async fn more_than_a_socket_holds_waits_for_its_reader_and_all_of_it_arrives() {
    const PIECES: usize = 200;
    let ((mut from_guest, _to_guest), (_from_gateway, mut to_gateway)) = pair();
    let piece = vec![7; MAX_DATA];
    let send = async {
        for _ in 0..PIECES {
            to_gateway.send_data(Stream::Stdout, &piece).await.unwrap();
        }
        drop(to_gateway);
    };
    let receive = async {
        let mut pieces = 0;
        while let Some(frame) = from_guest.next().await.unwrap() {
            assert_eq!(frame, Frame::Stdout(piece.clone().into()));
            pieces += 1;
        }
        pieces
    };
    let (received, ()) =
        timeout(Duration::from_mins(1), async { tokio::join!(receive, send) }).await.unwrap();
    assert_eq!(received, PIECES);
}

#[tokio::test]
async fn a_write_that_is_dropped_goes_on_where_it_was() {
    let ((mut from_guest, _to_guest), (_from_gateway, mut to_gateway)) = pair();
    let frame = || Frame::Stdout(vec![9; MAX_DATA].into());
    let mut sent = 0;
    loop {
        to_gateway.queue(frame()).unwrap();
        sent += 1;
        // Until the socket is full.
        if timeout(Duration::from_millis(20), to_gateway.flush()).await.is_err() {
            break;
        }
    }
    let rest = async {
        to_gateway.flush().await.unwrap();
        drop(to_gateway);
    };
    let receive = async {
        let mut received = 0;
        while let Some(got) = from_guest.next().await.unwrap() {
            assert_eq!(got, frame());
            received += 1;
        }
        received
    };
    assert_eq!(tokio::join!(receive, rest).0, sent);
}

#[tokio::test]
async fn the_end_of_one_direction_is_told_and_the_other_goes_on() {
    let ((mut from_guest, mut to_guest), (mut from_gateway, to_gateway)) = pair();
    drop(to_gateway);
    assert_eq!(from_guest.next().await.unwrap(), None);
    to_guest.send(ToGuest::OutputClosed).await.unwrap();
    assert_eq!(from_gateway.next().await.unwrap(), Some(Frame::Message(ToGuest::OutputClosed)));
}

#[tokio::test]
async fn a_connection_between_frames_can_be_given_away_whole() {
    let ((mut from_guest, _to_guest), (from_gateway, mut to_gateway)) = pair();
    to_gateway.send(FromGuest::Started).await.unwrap();
    let mut stream = rejoin(from_gateway, to_gateway).unwrap();
    assert_eq!(from_guest.next().await.unwrap(), Some(Frame::Message(FromGuest::Started)));
    let (head, body) = Frame::Message(FromGuest::Taken).into_wire().unwrap();
    stream.write_all(&[head, body].concat()).unwrap();
    assert_eq!(from_guest.next().await.unwrap(), Some(Frame::Message(FromGuest::Taken)));
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "nothing has ended");
}

#[tokio::test]
async fn a_connection_with_bytes_before_their_time_cannot() {
    let ((mut from_guest, to_guest), (_from_gateway, mut to_gateway)) = pair();
    to_gateway.send(FromGuest::Started).await.unwrap();
    to_gateway.send(FromGuest::Taken).await.unwrap();
    assert!(from_guest.next().await.unwrap().is_some());
    assert_eq!(rejoin(from_guest, to_guest).unwrap_err().kind(), ErrorKind::InvalidData);
}
