//! Coming, being somebody, and going: `request`, `login`, `whoami`, `auth logout`.

use jiff::Timestamp;
use spaces_protocol::command::{LoginArguments, RequestArguments};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{KeyName, Reason};
use spaces_protocol::prompt::Instruction;
use spaces_protocol::reply::{KeyChange, LoggedIn, Person, Recorded, Reply};
use spaces_store::{LastKey, NewDeviceKey, Redeem, RemoveKey};
use tracing::warn;

use super::run::Caller;
use crate::entrance::store_failed;

/// Notes that somebody would like to be let in. The same answer for every e-mail.
pub(crate) async fn request(caller: &Caller<'_>, arguments: RequestArguments) -> Result<Reply, Failure> {
    if !caller.platform.config.access.requests {
        return Err(Failure::new(Code::Refused, "this platform takes no requests for access")
            .hint("ask a platform admin for an auth key"));
    }
    if !caller.platform.limits.allow_request(caller.from) {
        return Err(Failure::new(Code::Unavailable, "too many requests from your address")
            .hint("try again in an hour"));
    }
    let reason = match arguments.reason {
        Some(reason) => reason,
        None => "".parse::<Reason>().map_err(|error| Failure::new(Code::Usage, error.to_string()))?,
    };
    let recorded =
        caller.platform.store.record_request(&arguments.email, &reason, caller.from, Timestamp::now()).await;
    match recorded.map_err(|error| store_failed(&error))? {
        spaces_store::Recorded::New | spaces_store::Recorded::Known => {}
        spaces_store::Recorded::Full => warn!("a request for access was dropped: too many are open"),
    }
    Ok(Reply::Recorded(Recorded { recorded: true }))
}

/// Registers the key that the newcomer proved and uses up the auth key, both or neither.
pub(crate) async fn login(caller: &Caller<'_>, arguments: LoginArguments) -> Result<Reply, Failure> {
    let newcomer = caller.newcomer()?;
    let Some(key) = newcomer.key.clone() else {
        return Err(Failure::new(Code::Refused, "no SSH key came with this connection")
            .hint("make one with `ssh-keygen -t ed25519`; your auth key still works"));
    };
    let name = match arguments.name {
        Some(name) => name,
        None => unnamed()?,
    };
    let device = NewDeviceKey { name, fingerprint: key.fingerprint.clone(), public_key: key.openssh };
    let redeemed =
        caller.platform.store.redeem(&newcomer.email, &newcomer.auth_key, device, Timestamp::now()).await;
    match redeemed.map_err(|error| store_failed(&error))? {
        Redeem::Redeemed(user) => {
            Ok(Reply::LoggedIn(LoggedIn { email: user.email, fingerprint: key.fingerprint }))
        }
        Redeem::Refused => Err(Instruction::NotValid.failure()),
        Redeem::KeyTaken => Err(Failure::new(Code::Refused, "that SSH key belongs to somebody else here")
            .hint("come with another; your auth key still works")),
        Redeem::TooManyKeys => Err(Failure::new(Code::Refused, "you have too many device keys")
            .hint("`key remove` one; your auth key still works")),
    }
}

/// What a key is called whose owner did not say.
pub(crate) fn unnamed() -> Result<KeyName, Failure> {
    "device"
        .parse()
        .map_err(|error: spaces_protocol::name::NameError| Failure::new(Code::Internal, error.to_string()))
}

pub(crate) fn whoami(caller: &Caller<'_>) -> Result<Reply, Failure> {
    let user = caller.person()?.user();
    Ok(Reply::WhoAmI(Person { email: user.email.clone(), platform_admin: user.platform_admin }))
}

/// Unregisters the key that this session came with, even if it is the last: that is what it is for.
pub(crate) async fn logout(caller: &Caller<'_>) -> Result<Reply, Failure> {
    let person = caller.person()?;
    let removed = caller
        .platform
        .store
        .remove_key(person.user().id, person.key(), LastKey::Remove, Timestamp::now())
        .await;
    match removed.map_err(|error| store_failed(&error))? {
        // Gone already: another session was quicker, and the answer is as true.
        RemoveKey::Removed | RemoveKey::Absent | RemoveKey::LastKey => {
            Ok(Reply::LoggedOut(KeyChange { fingerprint: person.key().clone() }))
        }
    }
}
