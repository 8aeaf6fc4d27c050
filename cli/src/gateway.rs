//! A connection to the gateway: host key checked, key or auth key shown, requests on the `spaces` subsystem.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg};
use spaces_protocol::auth_key::AuthKey;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::Email;
use spaces_protocol::prompt::Instruction;
use spaces_protocol::wire::{self, Answer, Request, RequestCommand};
use tokio::time::timeout;

use crate::address::Address;
use crate::host_key::{Trust, one_line};
use crate::settings::not_authenticated;
use crate::show::Progress;

/// A gateway that does not answer within this is away. Work that takes longer says so while it goes on.
const PATIENCE: Duration = Duration::from_secs(20);

/// The login name of the console, and of those who only ask for access.
const CONSOLE: &str = "spaces";
const JOIN: &str = "join";

/// An answer that succeeded.
pub(crate) struct Done {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) data: serde_json::Value,
}

/// What a connection was authenticated as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// May register a key.
    Newcomer,
    /// Holds a registered key.
    Person,
}

/// A connection whose host key is believed.
pub(crate) struct Gateway {
    handle: Handle<Verifier>,
    host_key: String,
}

struct Verifier {
    trust: Trust,
    shown: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        // No certificate algorithm was offered, so none comes.
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(false);
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = one_line(key);
        Ok(self.trust.believes(key))
    }
}

impl Gateway {
    /// Connects, and goes no further with a gateway whose host key is not believed.
    pub(crate) async fn connect(address: &Address, trust: Trust) -> Result<Self, Failure> {
        let shown = Arc::new(Mutex::new(None));
        let verifier = Verifier { trust: trust.clone(), shown: Arc::clone(&shown) };
        let config = Arc::new(client::Config {
            nodelay: true,
            // A gateway that went away without a word is noticed within a minute.
            keepalive_interval: Some(Duration::from_secs(15)),
            keepalive_max: 3,
            ..client::Config::default()
        });
        let connecting = client::connect(config, (address.host(), address.port()), verifier);
        let connected = timeout(PATIENCE, connecting).await;
        let host_key = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (connected, host_key) {
            (Ok(Ok(handle)), Some(host_key)) => Ok(Self { handle, host_key }),
            (Ok(Err(russh::Error::UnknownKey)), _) => Err(strange_host_key(&trust, address)),
            (Ok(Err(error)), _) => Err(unreachable_gateway(address, &error.to_string())),
            (Ok(Ok(_)), None) => Err(unreachable_gateway(address, "it showed no host key")),
            (Err(_elapsed), _) => Err(unreachable_gateway(address, "no answer in time")),
        }
    }

    /// The host key that it showed, which was believed.
    pub(crate) fn host_key(&self) -> &str {
        &self.host_key
    }

    /// Authenticates as the owner of a registered key.
    pub(crate) async fn as_person(&mut self, key: PrivateKey) -> Result<(), Failure> {
        match self.show_key(key).await? {
            AuthResult::Success => Ok(()),
            AuthResult::Failure { .. } => Err(not_authenticated()),
        }
    }

    /// Authenticates as a newcomer who holds this key, which is to be registered, and an auth key; as a person
    /// where the key is registered already.
    pub(crate) async fn as_newcomer(
        &mut self,
        key: PrivateKey,
        email: &Email,
        auth_key: &AuthKey,
    ) -> Result<Standing, Failure> {
        match self.show_key(key).await? {
            AuthResult::Failure { partial_success: true, .. } => {}
            AuthResult::Success => return Ok(Standing::Person),
            AuthResult::Failure { .. } => {
                return Err(Failure::new(Code::Refused, "the gateway does not take that SSH key"));
            }
        }
        let first =
            timeout(PATIENCE, self.handle.authenticate_keyboard_interactive_start(CONSOLE, None)).await;
        let KeyboardInteractiveAuthResponse::InfoRequest { .. } = answered(first)? else {
            return Err(Failure::new(Code::Refused, "the gateway takes no auth keys"));
        };
        let responses = vec![email.to_string(), auth_key.to_string()];
        let second =
            timeout(PATIENCE, self.handle.authenticate_keyboard_interactive_respond(responses)).await;
        match answered(second)? {
            KeyboardInteractiveAuthResponse::Success => Ok(Standing::Newcomer),
            // It asks again, and says why above the prompts.
            KeyboardInteractiveAuthResponse::InfoRequest { instructions, .. } => Err(refused(&instructions)),
            KeyboardInteractiveAuthResponse::Failure { .. } => Err(refused("")),
        }
    }

    /// Authenticates as nobody in particular.
    pub(crate) async fn as_stranger(&mut self) -> Result<(), Failure> {
        match answered(timeout(PATIENCE, self.handle.authenticate_none(JOIN)).await)? {
            AuthResult::Success => Ok(()),
            AuthResult::Failure { .. } => {
                Err(Failure::new(Code::Refused, "this platform takes no requests for access")
                    .hint("ask a platform admin for an auth key"))
            }
        }
    }

    /// Sends one command and waits for its answer, showing progress meanwhile.
    pub(crate) async fn request(&self, command: RequestCommand) -> Result<Done, Failure> {
        let mut channel = self.open().await?;
        let request = Request { version: wire::VERSION, id: 1, command };
        let line = serde_json::to_string(&request)
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?
            + "\n";
        channel.data_bytes(line.into_bytes()).await.map_err(|error| lost(&error))?;
        let mut progress = Progress::start();
        let mut buffer = Vec::new();
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Data { data }) => buffer.extend_from_slice(&data),
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => {
                    return Err(lost(&russh::Error::Disconnect));
                }
                Some(ChannelMsg::Failure) => {
                    return Err(Failure::new(Code::Refused, "that is not served here"));
                }
                Some(_) => continue,
            }
            if buffer.len() > wire::MAX_ANSWER {
                return Err(Failure::new(Code::Internal, "the gateway's answer is too long"));
            }
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                match parse(&line)? {
                    Answer::Progress { progress: sentence, .. } => progress.say(&sentence),
                    Answer::Failed { error, .. } => return Err(error),
                    Answer::Done { stdout, stderr, data, .. } => return Ok(Done { stdout, stderr, data }),
                }
            }
        }
    }

    async fn open(&self) -> Result<Channel<client::Msg>, Failure> {
        let opening = async {
            let channel = self.handle.channel_open_session().await?;
            channel.request_subsystem(true, wire::SUBSYSTEM).await?;
            Ok(channel)
        };
        answered(timeout(PATIENCE, opening).await)
    }

    async fn show_key(&mut self, key: PrivateKey) -> Result<AuthResult, Failure> {
        // RSA keys sign with SHA-512; the gateway takes no SHA-1.
        let hash = key.algorithm().is_rsa().then_some(russh::keys::HashAlg::Sha512);
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        answered(timeout(PATIENCE, self.handle.authenticate_publickey(CONSOLE, key)).await)
    }
}

fn parse(line: &[u8]) -> Result<Answer, Failure> {
    serde_json::from_slice(line).map_err(|error| {
        Failure::new(Code::Internal, format!("the gateway's answer makes no sense: {error}"))
            .hint("is this program as new as the gateway?")
    })
}

fn answered<T>(outcome: Result<Result<T, russh::Error>, tokio::time::error::Elapsed>) -> Result<T, Failure> {
    match outcome {
        Ok(answer) => answer.map_err(|error| lost(&error)),
        Err(_elapsed) => {
            Err(Failure::new(Code::Unavailable, "the gateway does not answer").hint("try again later"))
        }
    }
}

fn lost(error: &russh::Error) -> Failure {
    Failure::new(Code::Unavailable, format!("the connection to the gateway was lost: {error}"))
        .hint("try again later")
}

fn unreachable_gateway(address: &Address, why: &str) -> Failure {
    Failure::new(Code::Unavailable, format!("cannot reach the gateway at {address}: {why}"))
        .hint("is the address right, and the gateway up?")
}

fn strange_host_key(trust: &Trust, address: &Address) -> Failure {
    match trust {
        Trust::Marked(_) => {
            Failure::new(Code::Refused, format!("that auth key is not for the gateway at {address}"))
                .hint("nothing was sent; check the address, and where the key came from")
        }
        Trust::Pinned(_) | Trust::Anyone => Failure::new(
            Code::Refused,
            format!("the gateway at {address} is not the one that you logged in at"),
        )
        .hint("its host key differs: somebody may be listening; ask a platform admin before you log in anew"),
    }
}

/// Why the prompts came back.
fn refused(instructions: &str) -> Failure {
    let refused = || Failure::new(Code::Refused, "the auth key was refused");
    Instruction::of_text(instructions).map_or_else(refused, Instruction::failure)
}
