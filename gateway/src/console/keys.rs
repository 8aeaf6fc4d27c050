//! Device keys: `key list`, `key add`, `key remove`.

use jiff::Timestamp;
use spaces_protocol::command::{KeyAddArguments, KeyRemoveArguments};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::reply::{KeyChange, KeyRow, Reply};
use spaces_store::{AddKey, LastKey, NewDeviceKey, RemoveKey};

use super::account::unnamed;
use super::run::Caller;
use crate::entrance::store_failed;
use crate::ssh::parse_public_key;

pub(crate) async fn list(caller: &Caller<'_>) -> Result<Reply, Failure> {
    let person = caller.person()?;
    let keys = caller.platform.store.keys(person.user().id).await.map_err(|error| store_failed(&error))?;
    let rows = keys.into_iter().map(|key| KeyRow {
        current: key.fingerprint == *person.key(),
        name: key.name,
        fingerprint: key.fingerprint,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
    });
    Ok(Reply::Keys(rows.collect()))
}

pub(crate) async fn add(caller: &Caller<'_>, arguments: KeyAddArguments) -> Result<Reply, Failure> {
    let person = caller.person()?;
    let (key, comment) = parse_public_key(&arguments.public_key).map_err(|refusal| {
        Failure::new(Code::Usage, refusal.to_string())
            .hint("give a public key on standard input: `key add < id_ed25519.pub`")
    })?;
    let name = match arguments.name.or(comment) {
        Some(name) => name,
        None => unnamed()?,
    };
    let device = NewDeviceKey { name, fingerprint: key.fingerprint.clone(), public_key: key.openssh };
    let added = caller.platform.store.add_key(person.user().id, device, Timestamp::now()).await;
    match added.map_err(|error| store_failed(&error))? {
        AddKey::Added | AddKey::AlreadyYours => {
            Ok(Reply::KeyAdded(KeyChange { fingerprint: key.fingerprint }))
        }
        AddKey::Taken => Err(Failure::new(Code::Refused, "that key belongs to somebody else here")
            .hint("make another with `ssh-keygen -t ed25519`")),
        AddKey::TooMany => {
            Err(Failure::new(Code::Refused, "you have too many device keys").hint("`key remove` one"))
        }
    }
}

pub(crate) async fn remove(caller: &Caller<'_>, arguments: KeyRemoveArguments) -> Result<Reply, Failure> {
    let person = caller.person()?;
    let last = if arguments.last { LastKey::Remove } else { LastKey::Keep };
    let removed = caller
        .platform
        .store
        .remove_key(person.user().id, &arguments.fingerprint, last, Timestamp::now())
        .await;
    match removed.map_err(|error| store_failed(&error))? {
        RemoveKey::Removed => Ok(Reply::KeyRemoved(KeyChange { fingerprint: arguments.fingerprint })),
        RemoveKey::Absent => Err(Failure::new(Code::NotFound, format!("no key {}", arguments.fingerprint))
            .hint("`key list` shows yours")),
        RemoveKey::LastKey => {
            Err(Failure::new(Code::Refused, "that is your last key: without it you are locked out")
                .hint("`--last` removes it all the same"))
        }
    }
}
