//! One command on behalf of one caller: the right to it, what it does, and its entry in the audit trail.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use spaces_protocol::command::{
    AuthCommand, CertCommand, Command, KeyCommand, LoginArguments, SessionCommand, SpaceCommand,
};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::reply::Reply;
use spaces_provisioner::Progress;

use super::{account, admin, certificates, keys, sessions, spaces, usage};
use crate::audit;
use crate::identity::{Newcomer, Person, PlatformAdmin, Principal, Wish};
use crate::platform::Platform;
use crate::ssh::still_known;

/// Who asks, and from where.
pub(crate) struct Caller<'a> {
    pub(crate) platform: &'a Arc<Platform>,
    pub(crate) principal: &'a Principal,
    pub(crate) from: IpAddr,
}

impl Caller<'_> {
    /// Runs a command and records it if it changes anything.
    pub(crate) async fn run(&self, command: Command, progress: Progress) -> Result<Reply, Failure> {
        let act = audit::act(&command);
        let (name, began) = (command.name(), Instant::now());
        let outcome = match self.still_may(&command).await {
            Ok(()) => self.dispatch(command, progress).await,
            Err(failure) => Err(failure),
        };
        self.platform.metrics.command(name, began.elapsed());
        if let Some((action, target)) = act {
            let act = (action, target.or_else(|| certificates::target(&outcome)));
            audit::command(self.platform, self.principal, self.from, act, outcome.as_ref().err()).await;
        }
        outcome
    }

    /// A channel may outlive its key and its certificate: each command asks anew.
    pub(crate) async fn still_may(&self, command: &Command) -> Result<(), Failure> {
        self.still_known().await?;
        self.lent(command)
    }

    /// Whether whoever this is would still be let in.
    pub(crate) async fn still_known(&self) -> Result<(), Failure> {
        match self.principal {
            Principal::Person(person) => still_known(self.platform, person).await,
            Principal::Newcomer(_) | Principal::Stranger => Ok(()),
        }
    }

    /// Registers the newcomer's key and redeems the auth key.
    pub(crate) async fn login(&self, arguments: LoginArguments) -> Result<Reply, Failure> {
        let outcome = account::login(self, arguments).await;
        audit::command(
            self.platform,
            self.principal,
            self.from,
            ("session.login", None),
            outcome.as_ref().err(),
        )
        .await;
        outcome
    }

    async fn dispatch(&self, command: Command, progress: Progress) -> Result<Reply, Failure> {
        match command {
            Command::Request(arguments) => account::request(self, arguments).await,
            Command::Whoami => account::whoami(self),
            Command::Auth(AuthCommand::Logout) => account::logout(self).await,
            Command::List | Command::Space(SpaceCommand::List) => spaces::list(self).await,
            Command::Space(SpaceCommand::Up(arguments)) => spaces::up(self, &arguments.space, progress).await,
            Command::Space(SpaceCommand::Down(arguments)) => {
                spaces::down(self, &arguments.space, progress).await
            }
            Command::Space(SpaceCommand::Delete(arguments)) => {
                spaces::delete(self, &arguments.space, progress).await
            }
            Command::Session(SessionCommand::List(arguments)) => sessions::list(self, arguments).await,
            Command::Session(SessionCommand::Kill(arguments)) => sessions::kill(self, arguments).await,
            Command::Space(SpaceCommand::Usage(arguments)) => usage::usage(self, &arguments.space).await,
            Command::Space(SpaceCommand::Why(arguments)) => usage::why(self, &arguments.space).await,
            Command::Space(SpaceCommand::Set(arguments)) => spaces::set(self, arguments).await,
            Command::Key(KeyCommand::List) => keys::list(self).await,
            Command::Key(KeyCommand::Add(arguments)) => keys::add(self, arguments).await,
            Command::Key(KeyCommand::Remove(arguments)) => keys::remove(self, arguments).await,
            Command::IssueCert(arguments) => certificates::issue(self, arguments).await,
            Command::Cert(CertCommand::List) => certificates::list(self).await,
            Command::Cert(CertCommand::Revoke(arguments)) => {
                certificates::revoke(self, arguments.serial).await
            }
            Command::Ca => certificates::authorities(self),
            Command::Admin(command) => admin::run(self, self.platform_admin()?, command, progress).await,
        }
    }

    /// Whether what this person came with is good for this command: a certificate is not good for all.
    fn lent(&self, command: &Command) -> Result<(), Failure> {
        match self.principal {
            Principal::Person(person) if !person.may(Wish::Run(command)) => {
                Err(Failure::new(Code::Refused, "you came with a certificate, which cannot do that")
                    .hint("come with a device key"))
            }
            Principal::Person(_) | Principal::Newcomer(_) | Principal::Stranger => Ok(()),
        }
    }

    /// The person who asks.
    pub(crate) fn person(&self) -> Result<&Person, Failure> {
        match self.principal {
            Principal::Person(person) => Ok(person),
            Principal::Newcomer(_) => Err(not_authenticated("run `login` first: it registers your key")),
            Principal::Stranger => {
                Err(not_authenticated("`join@` takes requests for access and nothing else"))
            }
        }
    }

    /// The newcomer who asks.
    pub(crate) fn newcomer(&self) -> Result<&Newcomer, Failure> {
        match self.principal {
            Principal::Newcomer(newcomer) => Ok(newcomer),
            Principal::Person(person) => {
                Err(Failure::new(Code::Refused, format!("you are logged in as {}", person.user().email))
                    .hint("`auth logout` ends this"))
            }
            Principal::Stranger => Err(not_authenticated("log in as `spaces@`")),
        }
    }

    fn platform_admin(&self) -> Result<PlatformAdmin<'_>, Failure> {
        self.person()?.as_platform_admin().ok_or_else(|| {
            Failure::new(Code::Refused, "that is for platform admins")
                .hint("a platform admin can `admin grant` you this")
        })
    }
}

fn not_authenticated(hint: &str) -> Failure {
    Failure::new(Code::NotAuthenticated, "not authenticated").hint(hint)
}
