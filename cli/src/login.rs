//! `spaces login`: a key pair, the auth key shown to the right gateway, and a session file.
//!
//! The private key is on disk before the auth key is used up, and the session file names it after: a crash in
//! between costs no more than a new auth key.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use spaces_protocol::command::{Command, LoginArguments as Naming};
use spaces_protocol::failure::{Code, Failure, printable};
use spaces_protocol::name::{Email, KeyName};
use spaces_protocol::wire::RequestCommand;

use crate::address::Address;
use crate::arguments::LoginArguments;
use crate::gateway::{Done, Gateway, Standing};
use crate::host_key::Trust;
use crate::session::Session;
use crate::settings::Settings;
use crate::{auth_key, files, show};

pub(crate) async fn login(settings: &Settings, arguments: LoginArguments, json: bool) -> Result<(), Failure> {
    let key = auth_key::read(&arguments)?;
    // A session that others can write must not choose where an auth key goes.
    let old = settings.any_session();
    let address = settings.gateway(old.as_ref())?;
    let mut gateway = Gateway::connect(&address, Trust::Marked(key.gateway())).await?;
    let mut identity = Identity::prepare(settings.session_file(), arguments.identity.as_deref())?;
    let standing = gateway.as_newcomer(identity.key.clone(), &arguments.email, &key).await?;
    let name = arguments.name.clone().or_else(machine_name);
    // From here on the key may be registered, whatever becomes of the answer.
    identity.remove = false;
    let done = match standing {
        Standing::Newcomer => gateway.request(RequestCommand::Login(Naming { name })).await?,
        Standing::Person => again(&gateway, &arguments.email).await?,
    };
    let path = std::path::absolute(&identity.path)
        .map_err(|error| Failure::new(Code::Internal, format!("the path of the key: {error}")))?;
    let session = Session {
        gateway: address.clone(),
        email: arguments.email,
        host_key: gateway.host_key().to_owned(),
        identity: path,
        default_space: None,
    };
    session.save(settings.session_file())?;
    session.known_hosts(settings.session_file())?;
    tell(&done, &address, settings.session_file(), json)
}

/// The key is registered already, by this person: what is missing is the session file. The auth key is kept.
async fn again(gateway: &Gateway, email: &Email) -> Result<Done, Failure> {
    let who = gateway.request(RequestCommand::Shared(Command::Whoami)).await?;
    let whose = who.data.get("email").and_then(serde_json::Value::as_str).unwrap_or_default();
    if whose != email.as_str() {
        return Err(Failure::new(
            Code::Refused,
            format!("that SSH key is registered here as {}", printable(whose)),
        )
        .hint("log in as that, or with another key"));
    }
    let stderr = "that SSH key was registered already; the auth key was not used\n".to_owned();
    Ok(Done { stdout: format!("authenticated as {email}\n"), stderr, data: who.data })
}

fn tell(done: &Done, address: &Address, session_file: &Path, json: bool) -> Result<(), Failure> {
    show::done(done, json)?;
    if json {
        return Ok(());
    }
    show::stdout(&format!("session for {address} saved to {}\n", session_file.display()))
}

/// The key pair to register. One that was made here is removed again unless it is kept.
struct Identity {
    key: PrivateKey,
    path: PathBuf,
    remove: bool,
}

impl Identity {
    fn prepare(session_file: &Path, chosen: Option<&Path>) -> Result<Self, Failure> {
        match chosen {
            Some(path) => Ok(Self { key: read_key(path)?, path: path.to_owned(), remove: false }),
            None => Self::generate(session_file),
        }
    }

    fn generate(session_file: &Path) -> Result<Self, Failure> {
        let broken = |error: &dyn std::error::Error| {
            Failure::new(Code::Internal, format!("cannot make a key: {error}"))
        };
        let seed: [u8; 32] = rand::random();
        let pair = Ed25519Keypair::from(&SigningKey::from_bytes(&seed));
        let key = PrivateKey::new(pair.into(), "spaces").map_err(|error| broken(&error))?;
        let text = key.to_openssh(LineEnding::LF).map_err(|error| broken(&error))?;
        let public = key.public_key().to_openssh().map_err(|error| broken(&error))?;
        // A name of its own: a key of an earlier login may still be in use.
        let path = session_file.with_extension(format!("{:08x}.id_ed25519", rand::random::<u32>()));
        files::write_private(&path, text.as_bytes())?;
        let identity = Self { key, path, remove: true };
        files::write_private(&public_half(&identity.path), format!("{public}\n").as_bytes())?;
        Ok(identity)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        if self.remove {
            remove_key_pair(&self.path);
        }
    }
}

/// Removes both halves of a key pair; halves that are not there are fine.
pub(crate) fn remove_key_pair(path: &Path) {
    drop(std::fs::remove_file(path));
    drop(std::fs::remove_file(public_half(path)));
}

/// Whether this key was made by `login` for this session file.
pub(crate) fn is_ours(identity: &Path, session_file: &Path) -> bool {
    let same_folder = std::path::absolute(session_file).is_ok_and(|file| file.parent() == identity.parent());
    same_folder && identity.to_string_lossy().ends_with(".id_ed25519")
}

/// Reads a private key, asking for its passphrase if it has one.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKey, Failure> {
    let show = path.display();
    let unreadable = |error: &dyn std::error::Error| {
        Failure::new(Code::Refused, format!("cannot read the key {show}: {error}"))
    };
    let mode = std::fs::metadata(path).map_err(|error| unreadable(&error))?.permissions().mode();
    if mode & 0o077 != 0 {
        // As ssh has it, which `connect` hands the key to.
        return Err(Failure::new(Code::Refused, format!("others can read the key {show}"))
            .hint(format!("`chmod 600 {show}`, or if anybody may have read it, make another")));
    }
    let key = PrivateKey::read_openssh_file(path).map_err(|error| unreadable(&error))?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    let passphrase =
        rpassword::prompt_password(format!("passphrase of {show}: ")).map_err(|error| unreadable(&error))?;
    key.decrypt(passphrase)
        .map_err(|_wrong| Failure::new(Code::Refused, format!("that is not the passphrase of {show}")))
}

fn public_half(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// What this machine calls itself.
fn machine_name() -> Option<KeyName> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().parse().ok()
}
