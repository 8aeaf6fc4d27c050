//! A client that sends whatever it is told to, whether or not SSH allows it: one key exchange method, one
//! cipher, no checks. Client libraries keep the protocol, so none of them can play the attacker.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use spaces_tests::{Person, Platform};

const VERSION: &str = "SSH-2.0-OpenSSH_hostile";
const TAG: usize = 16;
const PATIENCE: Duration = Duration::from_secs(20);

/// Message numbers of RFC 4250 that tests name.
pub(crate) mod message {
    /// Keys are to be exchanged.
    pub(crate) const KEXINIT: u8 = 20;
    /// A channel is open.
    pub(crate) const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
    /// It is not.
    pub(crate) const CHANNEL_OPEN_FAILURE: u8 = 92;
    /// Bytes.
    pub(crate) const CHANNEL_DATA: u8 = 94;
    /// Bytes of another stream.
    pub(crate) const CHANNEL_EXTENDED_DATA: u8 = 95;
    /// A channel is over for the one who says so.
    pub(crate) const CHANNEL_CLOSE: u8 = 97;
    /// Something for a channel.
    pub(crate) const CHANNEL_REQUEST: u8 = 98;
    /// It was done.
    pub(crate) const CHANNEL_SUCCESS: u8 = 99;
    /// It was not.
    pub(crate) const CHANNEL_FAILURE: u8 = 100;
}

/// An authenticated connection.
pub(crate) struct Wire {
    reader: BufReader<TcpStream>,
    writer: BufWriter<TcpStream>,
    server_version: String,
    session: Vec<u8>,
    sealing: Option<Direction>,
    opening: Option<Direction>,
}

/// An open channel that runs a program.
pub(crate) struct Opened {
    /// The gateway's number of it.
    pub(crate) number: u32,
    /// Bytes that may be sent at once.
    pub(crate) window: u32,
}

/// A packet being written, field by field.
pub(crate) struct Packet(Vec<u8>);

struct Direction {
    key: LessSafeKey,
    fixed: [u8; 4],
    count: u64,
}

impl Wire {
    /// Connects and authenticates as this person.
    pub(crate) fn connect(platform: &Platform, person: &Person, login: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", platform.port())).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        stream.set_write_timeout(Some(PATIENCE)).expect("a deadline");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut writer = BufWriter::with_capacity(1 << 20, stream);
        write!(writer, "{VERSION}\r\n").and_then(|()| writer.flush()).expect("a greeting");
        let mut server_version = String::new();
        reader.read_line(&mut server_version).expect("its greeting");
        let server_version = server_version.trim_end().to_owned();
        let mut wire =
            Self { reader, writer, server_version, session: Vec::new(), sealing: None, opening: None };
        let theirs = wire.expect(message::KEXINIT);
        wire.exchange_keys(&theirs);
        wire.authenticate(person, login);
        wire
    }

    /// Opens a channel and runs a command there.
    pub(crate) fn run(&mut self, command: &str) -> Opened {
        self.send(Packet::new(90).string(b"session").number(0).number(2 << 20).number(32 << 10));
        let confirmation = self.expect(message::CHANNEL_OPEN_CONFIRMATION);
        let opened = Opened { number: number_at(&confirmation, 5), window: number_at(&confirmation, 9) };
        self.send(Packet::request(opened.number, "exec", 1).string(command.as_bytes()));
        self.expect(message::CHANNEL_SUCCESS);
        opened
    }

    /// Sends a packet; fails when the gateway has closed.
    pub(crate) fn try_send(&mut self, packet: &Packet) -> io::Result<()> {
        let body = &packet.0;
        // AES-GCM leaves the length in the clear, and out of what is padded.
        let (block, unpadded) = if self.sealing.is_some() { (16, 1) } else { (8, 5) };
        let padding = block - (unpadded + body.len()) % block;
        let padding = if padding < 4 { padding + block } else { padding };
        let length = u32::try_from(1 + body.len() + padding).expect("a packet is short").to_be_bytes();
        let mut bytes = vec![u8::try_from(padding).expect("padding is short")];
        bytes.extend_from_slice(body);
        bytes.resize(bytes.len() + padding, 0);
        if let Some(sealing) = &mut self.sealing {
            let nonce = sealing.nonce();
            sealing.key.seal_in_place_append_tag(nonce, Aad::from(length), &mut bytes).expect("sealed");
        }
        self.writer.write_all(&length)?;
        self.writer.write_all(&bytes)
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, packet: impl std::borrow::Borrow<Packet>) {
        self.try_send(packet.borrow()).expect("the gateway takes it");
    }

    /// Reads packets until one has this number; the others are forgotten.
    pub(crate) fn expect(&mut self, number: u8) -> Vec<u8> {
        loop {
            let packet = self.receive().expect("a packet");
            if packet[0] == number {
                return packet;
            }
        }
    }

    /// The next packet.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        self.writer.flush()?;
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        let tag = if self.opening.is_some() { TAG } else { 0 };
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize + tag];
        self.reader.read_exact(&mut bytes)?;
        if let Some(opening) = &mut self.opening {
            let nonce = opening.nonce();
            opening.key.open_in_place(nonce, Aad::from(length), &mut bytes).expect("opened");
        }
        let end = bytes.len() - tag - usize::from(bytes[0]);
        Ok(bytes[1..end].to_vec())
    }

    /// Reads until the gateway has closed, which it does at once.
    pub(crate) fn expect_end(&mut self) {
        loop {
            if let Err(error) = self.receive() {
                assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "the gateway did not close");
                return;
            }
        }
    }

    /// Answers the gateway's KEXINIT: our own, the exchange, new keys both ways.
    pub(crate) fn exchange_keys(&mut self, theirs: &[u8]) {
        let ours = Packet::kexinit();
        self.send(&ours);
        let random = SystemRandom::new();
        let secret = EphemeralPrivateKey::generate(&X25519, &random).expect("a key");
        let public = secret.compute_public_key().expect("its half").as_ref().to_vec();
        self.send(Packet::new(30).string(&public));
        let reply = self.expect(31);
        let (host_key, rest) = string_at(&reply, 1);
        let (their_public, _signature) = string_at(&reply, rest);
        let peer = UnparsedPublicKey::new(&X25519, their_public);
        let shared = agree_ephemeral(secret, peer, (), |shared| Ok(mpint(shared))).expect("agreed");
        let mut transcript = Packet(Vec::new());
        for part in [VERSION.as_bytes(), self.server_version.as_bytes(), &ours.0, theirs, host_key, &public] {
            transcript = transcript.string(part);
        }
        let transcript = transcript.string(their_public).raw(&shared);
        let hash = digest(&SHA256, &transcript.0).as_ref().to_vec();
        if self.session.is_empty() {
            self.session.clone_from(&hash);
        }
        let derive = |letter: u8| {
            let input = [&shared[..], &hash, &[letter], &self.session].concat();
            digest(&SHA256, &input).as_ref().to_vec()
        };
        let (sealing, opening) =
            (Direction::new(&derive(b'A'), &derive(b'C')), Direction::new(&derive(b'B'), &derive(b'D')));
        self.send(Packet::new(21));
        self.sealing = Some(sealing);
        self.expect(21);
        self.opening = Some(opening);
    }

    fn authenticate(&mut self, person: &Person, login: &str) {
        self.send(Packet::new(5).string(b"ssh-userauth"));
        self.expect(6);
        let key = russh::keys::load_secret_key(person.key(), None).expect("a key");
        let pair = key.key_data().ed25519().expect("an Ed25519 key");
        let pair = Ed25519KeyPair::from_seed_unchecked(&pair.private.to_bytes()).expect("a key");
        let public = Packet(Vec::new()).string(b"ssh-ed25519").string(pair.public_key().as_ref());
        let request = Packet::new(50).string(login.as_bytes()).string(b"ssh-connection").string(b"publickey");
        let request = request.raw(&[1]).string(b"ssh-ed25519").string(&public.0);
        let signed = Packet(Vec::new()).string(&self.session).raw(&request.0);
        let signature = Packet(Vec::new()).string(b"ssh-ed25519").string(pair.sign(&signed.0).as_ref());
        self.send(request.string(&signature.0));
        self.expect(52);
    }
}

impl Packet {
    /// A packet that begins with this number.
    pub(crate) fn new(number: u8) -> Self {
        Self(vec![number])
    }

    /// Bytes for a channel.
    pub(crate) fn data(channel: u32, bytes: &[u8]) -> Self {
        Self::new(message::CHANNEL_DATA).number(channel).string(bytes)
    }

    /// A request for a channel, and whether it is to be answered.
    pub(crate) fn request(channel: u32, name: &str, answer: u8) -> Self {
        Self::new(message::CHANNEL_REQUEST).number(channel).string(name.as_bytes()).raw(&[answer])
    }

    /// Appends four bytes.
    pub(crate) fn number(self, number: u32) -> Self {
        self.raw(&number.to_be_bytes())
    }

    /// Appends bytes with their length.
    pub(crate) fn string(self, bytes: &[u8]) -> Self {
        self.number(u32::try_from(bytes.len()).expect("a string is short")).raw(bytes)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn kexinit() -> Self {
        let cipher = "aes128-gcm@openssh.com";
        let lists = [
            "curve25519-sha256",
            "ssh-ed25519",
            cipher,
            cipher,
            "hmac-sha2-256",
            "hmac-sha2-256",
            "none",
            "none",
            "",
            "",
        ];
        let packet = Self::new(message::KEXINIT).raw(&[7; 16]);
        lists.iter().fold(packet, |packet, list| packet.string(list.as_bytes())).raw(&[0; 5])
    }
}

impl Direction {
    fn new(nonce: &[u8], key: &[u8]) -> Self {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16]).expect("a key"));
        let fixed = nonce[..4].try_into().expect("four bytes");
        Self { key, fixed, count: u64::from_be_bytes(nonce[4..12].try_into().expect("eight bytes")) }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.count.to_be_bytes());
        self.count = self.count.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The number at this place of a packet.
pub(crate) fn number_at(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[at..at + 4].try_into().expect("four bytes"))
}

fn string_at(packet: &[u8], at: usize) -> (&[u8], usize) {
    let end = at + 4 + number_at(packet, at) as usize;
    (&packet[at + 4..end], end)
}

fn mpint(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let sign: &[u8] = if bytes.get(start).is_some_and(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    Packet(Vec::new()).string(&[sign, &bytes[start..]].concat()).0
}
