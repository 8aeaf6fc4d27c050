//! The command line of `spaces`: the shared grammar, and what only this side can do.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use spaces_protocol::command::{Command, SessionArguments, usage_failure};
use spaces_protocol::failure::Failure;
use spaces_protocol::name::{Email, Fingerprint, KeyName, SpaceReference};

use crate::address::Address;
use crate::show;

const BASE_URL: &str =
    "The gateway, as ssh://HOST[:PORT]; otherwise SPACES_BASE_URL, otherwise where you logged in";
const SESSION_FILE: &str =
    "The session file; otherwise SPACES_SESSION_FILE, otherwise session.json in SPACES_CONFIG_DIR";

/// A whole command line.
#[derive(Parser)]
#[command(
    name = "spaces",
    version,
    about = "Private Linux machines, steered by ssh",
    subcommand_required = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: CliCommand,
    // The texts are for a terminal, where backticks would be noise: `help`, not a doc comment.
    #[arg(long, global = true, value_name = "URL", help = BASE_URL)]
    pub(crate) base_url: Option<Address>,
    #[arg(long, global = true, value_name = "FILE", help = SESSION_FILE)]
    pub(crate) session_file: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum CliCommand {
    /// Log in with the auth key you received
    Login(LoginArguments),
    /// Enter a space: a shell, or a command
    Connect(ConnectArguments),
    /// Issue a short-lived certificate for a key of this machine, and write it beside the key
    IssueCert(IssueCertArguments),
    /// Print a configuration for ssh in which every space is a host: my-room.spaces
    SshConfig(SshConfigArguments),
    /// Other words for what concerns keys and ssh
    #[command(subcommand)]
    Ssh(SshCommand),
    #[command(flatten)]
    Shared(Command),
}

#[derive(Args)]
pub(crate) struct SshConfigArguments {
    /// Put it into ~/.ssh, where `list` then keeps it up to date
    #[arg(long)]
    pub(crate) install: bool,
}

#[derive(Subcommand)]
pub(crate) enum SshCommand {
    /// Register a public key
    AddKey(AddKeyArguments),
    /// List your device keys
    ListKeys,
    /// Unregister a device key
    RemoveKey(RemoveKeyArguments),
    /// Print a configuration for ssh that reaches one space with a key of your choice
    ClientConfig(ClientConfigArguments),
    /// Enter a space
    Connect(SshConnectArguments),
    /// Issue a short-lived certificate for a key of this machine, and write it beside the key
    IssueCert(IssueCertArguments),
}

#[derive(Args)]
pub(crate) struct AddKeyArguments {
    /// What to call it
    #[arg(long)]
    pub(crate) name: KeyName,
    /// The file with the public key
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key_file: PathBuf,
}

#[derive(Args)]
pub(crate) struct RemoveKeyArguments {
    /// The key's SHA256 fingerprint
    #[arg(long)]
    pub(crate) fingerprint: Fingerprint,
}

#[derive(Args)]
pub(crate) struct ClientConfigArguments {
    /// The space: its exact name, or its sp_... id
    #[arg(long)]
    pub(crate) space: SpaceReference,
    /// The private key
    #[arg(long, value_name = "FILE")]
    pub(crate) identity_file: PathBuf,
    /// The gateway's host, where that machine knows it by another name
    #[arg(long)]
    pub(crate) host: Option<String>,
}

#[derive(Args)]
pub(crate) struct SshConnectArguments {
    /// The space: its exact name, or its sp_... id
    #[arg(long)]
    pub(crate) space: SpaceReference,
}

#[derive(Args)]
pub(crate) struct LoginArguments {
    /// Your e-mail address
    pub(crate) email: Email,
    /// Read the auth key from this file, which others must not be able to read
    #[arg(long, value_name = "FILE", conflicts_with = "key_stdin")]
    pub(crate) key_file: Option<PathBuf>,
    /// Read the auth key from standard input
    #[arg(long)]
    pub(crate) key_stdin: bool,
    /// Use this SSH key instead of a new one
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// What to call the key; otherwise the name of this machine
    #[arg(long)]
    pub(crate) name: Option<KeyName>,
}

#[derive(Args, Default)]
pub(crate) struct ConnectArguments {
    /// The space: its exact name, or its sp_... id. Needed only where you have several
    pub(crate) space: Option<SpaceReference>,
    /// Remember this space: `connect` alone enters it from now on
    #[arg(long, requires = "space")]
    pub(crate) default: bool,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
    /// A command to run instead of a login shell: one word is a line for the shell, several are a program
    /// with its arguments
    #[arg(last = true, conflicts_with_all = ["attach", "take", "watch"])]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct IssueCertArguments {
    /// The key: the certificate goes to FILE-cert.pub
    #[arg(long, value_name = "FILE")]
    pub(crate) identity_file: PathBuf,
    #[command(flatten)]
    pub(crate) order: spaces_protocol::command::IssueCertArguments,
}

impl Arguments {
    /// What was typed; `None` where it asked for help, which is then on standard output.
    pub(crate) fn parse_or_help() -> Result<Option<Self>, Failure> {
        Self::try_parse().map(Some).or_else(|error| {
            let help = usage_failure(&error)?;
            show::stdout(&help)?;
            Ok(None)
        })
    }
}
