//! The command grammar: one, for the `spaces` program and for the console.
//!
//! A command arrives as words (typed after `ssh spaces@host`, or given to `spaces`) and becomes a [`Command`],
//! or as JSON on the `spaces` subsystem and becomes the same [`Command`]. What only one side can do stands in
//! that side's own grammar: `login`'s key file in the CLI, [`ConsoleCommand`] here.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};

use crate::frame::AttachPurpose;
use crate::name::{AuthKeyId, Email, Fingerprint, KeyName, Reason, Role, SpaceName, SpaceReference};
use crate::session::{SessionReference, SessionToken};
use crate::setting::{Forwarding, IdleStop};

mod certificate;
mod name;
mod parse;

pub use certificate::{CertCommand, CertRevokeArguments, IssueCertArguments};
pub use parse::{Parsed, parse_console_line, usage_failure};

/// What both sides understand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Ask for access to this platform
    Request(RequestArguments),
    /// Show who you are
    Whoami,
    /// Manage this session
    #[command(subcommand)]
    Auth(AuthCommand),
    /// List the spaces you can use
    List,
    /// Manage spaces
    #[command(subcommand)]
    Space(SpaceCommand),
    /// Manage the terminals that `connect` left running
    #[command(subcommand)]
    Session(SessionCommand),
    /// Manage your device keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Issue a certificate. Each side has words of its own for where the key comes from.
    #[command(skip)]
    IssueCert(IssueCertArguments),
    /// Manage the certificates that you issued
    #[command(subcommand)]
    Cert(CertCommand),
    /// Show the keys that vouch for this platform: its gateways', and its certificates'
    Ca,
    /// Run the platform
    #[command(subcommand)]
    Admin(AdminCommand),
}

/// `request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct RequestArguments {
    /// Your e-mail address
    pub email: Email,
    /// Why you would like access
    #[arg(long)]
    #[serde(default)]
    pub reason: Option<Reason>,
}

/// `auth ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum AuthCommand {
    /// Unregister this device's key and end the session
    Logout,
}

/// `space ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum SpaceCommand {
    /// List the spaces you can use
    List,
    /// Make sure that a space is running
    Up(SpaceArguments),
    /// Stop a space; its data stays
    Down(SpaceArguments),
    /// Remove a space and all its data for ever
    Delete(DeleteArguments),
    /// Show what a space uses now, and may use
    Usage(SpaceArguments),
    /// Say what a space does, and why it is up, stopped or held back
    Why(SpaceArguments),
    /// Set what everybody in a space may do
    Set(SetArguments),
}

/// Which Space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SpaceArguments {
    /// Its exact name, or its sp_... id
    #[arg(long, value_name = "SPACE")]
    pub space: SpaceReference,
}

/// `space delete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct DeleteArguments {
    /// Its exact name, or its sp_... id
    #[arg(long, value_name = "SPACE")]
    pub space: SpaceReference,
    /// Do not ask on a terminal
    #[arg(long, short)]
    #[serde(default)]
    pub yes: bool,
}

/// `session ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum SessionCommand {
    /// List the sessions of your running spaces
    List(SessionListArguments),
    /// End a session: hang up on its programs
    Kill(SessionKillArguments),
}

/// `session list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SessionListArguments {
    /// Only this space: its exact name, or its sp_... id
    #[arg(long, value_name = "SPACE")]
    #[serde(default)]
    pub space: Option<SpaceReference>,
}

/// `session kill`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SessionKillArguments {
    /// Its number, as `session list` shows it
    pub session: SessionReference,
    /// The space: its exact name, or its sp_... id. Needed only where you have several
    #[arg(long, value_name = "SPACE")]
    #[serde(default)]
    pub space: Option<SpaceReference>,
}

/// `space set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
#[command(group = clap::ArgGroup::new("settings").args(["forwarding", "idle_stop"]).required(true).multiple(true))]
pub struct SetArguments {
    /// Its exact name, or its sp_... id
    #[arg(long, value_name = "SPACE")]
    pub space: SpaceReference,
    /// Whether ports, sockets, SSH agents and X11 may be forwarded into and out of it; from now on
    #[arg(long)]
    #[serde(default)]
    pub forwarding: Option<Forwarding>,
    /// Stop it when it has done no work for so long: 45m, 2h, 7d; `off`; `default`, as the platform. Entering starts it
    #[arg(long, value_name = "TIME")]
    #[serde(default)]
    pub idle_stop: Option<IdleStop>,
}

/// `key ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum KeyCommand {
    /// List your device keys
    List,
    /// Register the public key on standard input
    Add(KeyAddArguments),
    /// Unregister a device key
    Remove(KeyRemoveArguments),
}

/// `key add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct KeyAddArguments {
    /// What to call it; the comment of the key where this is not given
    #[arg(long)]
    #[serde(default)]
    pub name: Option<KeyName>,
    /// The line of an OpenSSH public key file. On a command line it comes from standard input.
    #[arg(skip)]
    #[serde(default)]
    pub public_key: String,
}

/// `key remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct KeyRemoveArguments {
    /// The key's SHA256 fingerprint, as `key list` shows it
    pub fingerprint: Fingerprint,
    /// Remove it even if it is your last one
    #[arg(long)]
    #[serde(default)]
    pub last: bool,
}

/// `admin ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum AdminCommand {
    /// List open access requests
    Requests,
    /// Approve a request: makes the user, a running space, and a one-time auth key
    Approve(EmailArguments),
    /// Turn a request down
    Deny(EmailArguments),
    /// List the people of this platform
    Users,
    /// Make a person a platform admin
    Grant(EmailArguments),
    /// Make a one-time auth key
    IssueKey(IssueKeyArguments),
    /// List auth keys; never their secrets
    AuthKeys,
    /// End an auth key that has not been used
    RevokeKey(RevokeKeyArguments),
    /// Show all spaces, whoever owns them
    Spaces,
    /// Make a space for a person
    CreateSpace(CreateSpaceArguments),
    /// Set what a space may use; a running one is held to it at once
    SetBudget(SetBudgetArguments),
    /// Set what all spaces of a person may use together; without a ceiling, show it
    SetCeiling(SetCeilingArguments),
    /// Show the newest entries of the audit trail
    Audit(AuditArguments),
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct EmailArguments {
    /// The person's e-mail address
    pub email: Email,
}

/// `admin issue-key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct IssueKeyArguments {
    /// Whom it is for
    pub email: Email,
    /// `admin` for a person who owns spaces, `member` to let somebody into one
    #[arg(long)]
    pub role: Role,
    /// The space that a member is let into
    #[arg(long, required_if_eq("role", "member"))]
    #[serde(default)]
    pub space: Option<SpaceReference>,
    /// How long it can be used: 30m, 12h, 7d
    #[arg(long, value_parser = parse::lifetime, value_name = "TIME")]
    #[serde(default)]
    pub expires: Option<Lifetime>,
}

/// How long an auth key can be used: a minute to a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lifetime(pub(crate) Duration);

impl Lifetime {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

/// `admin revoke-key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct RevokeKeyArguments {
    /// Its id, as `admin auth-keys` shows it
    pub id: AuthKeyId,
}

/// `admin create-space`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct CreateSpaceArguments {
    /// The owner's e-mail address
    #[arg(long)]
    pub owner: Email,
    /// What to call it
    #[arg(long)]
    pub name: SpaceName,
}

/// `admin set-budget`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
#[command(group = clap::ArgGroup::new("limits").args(["cpu", "memory", "pids", "disk", "net", "net_rate", "llm_tokens"]).required(true).multiple(true))]
pub struct SetBudgetArguments {
    /// Its exact name, or its sp_... id
    #[arg(long, value_name = "SPACE")]
    pub space: SpaceReference,
    /// Processor time, in thousandths of a core
    #[arg(long, value_name = "MILLIS", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    #[serde(default)]
    pub cpu: Option<u32>,
    /// Memory, swap included, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..=16_777_216))]
    #[serde(default)]
    pub memory: Option<u32>,
    /// Processes and threads at once
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(8..=4_194_304))]
    #[serde(default)]
    pub pids: Option<u32>,
    /// Disk, in MB; 0 is no limit
    #[arg(long, value_name = "MB")]
    #[serde(default)]
    pub disk: Option<u32>,
    /// What may go out in a month, in MB; 0 is no limit
    #[arg(long, value_name = "MB")]
    #[serde(default)]
    pub net: Option<u32>,
    /// How fast it may go out, in Mbit a second; 0 is no limit
    #[arg(long, value_name = "MBIT", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    #[serde(default)]
    pub net_rate: Option<u32>,
    /// Tokens of language models; 0 is no limit
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000_000))]
    #[serde(default)]
    pub llm_tokens: Option<u64>,
}

/// `admin set-ceiling`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SetCeilingArguments {
    /// The person's e-mail address
    pub email: Email,
    /// How many spaces; 0 is no ceiling, here and below
    #[arg(long, value_name = "COUNT")]
    #[serde(default)]
    pub spaces: Option<u32>,
    /// Processor time, in thousandths of a core
    #[arg(long, value_name = "MILLIS")]
    #[serde(default)]
    pub cpu: Option<u32>,
    /// Memory, swap included, in MiB
    #[arg(long, value_name = "MIB")]
    #[serde(default)]
    pub memory: Option<u32>,
    /// Disk, in MB
    #[arg(long, value_name = "MB")]
    #[serde(default)]
    pub disk: Option<u32>,
    /// What may go out in a month, in MB
    #[arg(long, value_name = "MB")]
    #[serde(default)]
    pub net: Option<u32>,
}

/// `admin audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct AuditArguments {
    /// How many entries
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    #[serde(default = "fifty")]
    pub limit: u32,
}

fn fifty() -> u32 {
    50
}

/// What the console understands beside [`Command`].
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ConsoleCommand {
    /// Register the key you came with, and use up your auth key
    Login(LoginArguments),
    /// Enter a space: a shell, or a command
    Connect(ConnectArguments),
    /// Issue a short-lived certificate for the public key on standard input
    IssueCert(IssueCertArguments),
    /// Everything that `spaces` can do as well.
    #[command(flatten)]
    Shared(Command),
}

/// `login` on the console, and as JSON on the subsystem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct LoginArguments {
    /// What to call the key
    #[arg(long)]
    #[serde(default)]
    pub name: Option<KeyName>,
}

/// `connect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct ConnectArguments {
    /// The space: its exact name, or its sp_... id. Needed only where you have several
    pub space: Option<SpaceReference>,
    /// Which session to go on in, if that. For a terminal alone: the subsystem has none.
    #[command(flatten)]
    #[serde(skip)]
    pub session: SessionArguments,
    /// A command to run instead of a login shell
    #[arg(last = true, conflicts_with_all = ["attach", "take", "watch"])]
    #[serde(default)]
    pub command: Vec<String>,
}

/// What `connect` does about sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct SessionArguments {
    /// Go on in a detached session: this one, or the one that was left last
    #[arg(long, value_name = "SESSION", num_args = 0..=1, conflicts_with_all = ["take", "watch"])]
    pub attach: Option<Option<SessionReference>>,
    /// Go on in a session, and send away whoever is in it
    #[arg(long, value_name = "SESSION", conflicts_with = "watch")]
    pub take: Option<SessionReference>,
    /// Look on in a session; what you type goes nowhere
    #[arg(long, value_name = "SESSION")]
    pub watch: Option<SessionReference>,
    /// A name of your own, to come back to this session by: tk_ and 32 hexadecimal digits
    #[arg(long, hide = true)]
    pub token: Option<SessionToken>,
}

impl SessionArguments {
    /// The session to go on in, and how; `None` for a new one.
    #[must_use]
    pub fn wanted(&self) -> Option<(Option<&SessionReference>, AttachPurpose)> {
        match (&self.attach, &self.take, &self.watch) {
            (Some(session), _, _) => Some((session.as_ref(), AttachPurpose::GoOn)),
            (None, Some(session), _) => Some((Some(session), AttachPurpose::Take)),
            (None, None, Some(session)) => Some((Some(session), AttachPurpose::Watch)),
            (None, None, None) => None,
        }
    }
}

/// A whole line on the console.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(
    name = "spaces",
    about = "Private Linux machines, steered by ssh",
    override_usage = "ssh spaces@HOST COMMAND",
    disable_version_flag = true,
    disable_help_subcommand = false,
    subcommand_required = true,
    color = clap::ColorChoice::Never
)]
pub struct ConsoleLine {
    /// What to do.
    #[command(subcommand)]
    pub command: ConsoleCommand,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}
