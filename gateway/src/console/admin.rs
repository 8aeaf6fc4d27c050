//! Running the platform: `admin ...`. Every function here takes the proof that the caller may.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use spaces_protocol::auth_key::AuthKey;
use spaces_protocol::command::{AdminCommand, CreateSpaceArguments, IssueKeyArguments, Lifetime};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{AuthKeyId, Email, Role, SpaceId, SpaceName};
use spaces_protocol::reply::{
    AuditRow, AuthKeyChange, AuthKeyRow, AuthKeyState, IssuedKey, OwnedSpaceRow, Person, Reply, RequestRow,
    SpaceChange, SpaceState, UserRow,
};
use spaces_provisioner::Progress;
use spaces_store::{Approval, Approve, CreateSpace, Grant, Issue, Month, NewAuthKey, Outcome, Revoke};

use super::budget;
use super::reach::any;
use super::run::Caller;
use super::spaces::{change, row};
use crate::entrance::store_failed;
use crate::identity::PlatformAdmin;

/// Runs a command of a platform admin.
pub(crate) async fn run(
    caller: &Caller<'_>,
    admin: PlatformAdmin<'_>,
    command: AdminCommand,
    progress: Progress,
) -> Result<Reply, Failure> {
    match command {
        AdminCommand::Requests => requests(caller, admin).await,
        AdminCommand::Approve(arguments) => approve(caller, admin, arguments.email, progress).await,
        AdminCommand::Deny(arguments) => deny(caller, admin, arguments.email).await,
        AdminCommand::Users => users(caller, admin).await,
        AdminCommand::Grant(arguments) => grant(caller, admin, arguments.email).await,
        AdminCommand::IssueKey(arguments) => issue_key(caller, admin, arguments).await,
        AdminCommand::AuthKeys => auth_keys(caller, admin).await,
        AdminCommand::RevokeKey(arguments) => revoke_key(caller, admin, arguments.id).await,
        AdminCommand::Spaces => spaces(caller, admin).await,
        AdminCommand::CreateSpace(arguments) => create_space(caller, admin, arguments, progress).await,
        AdminCommand::SetBudget(arguments) => budget::set(caller, admin, arguments).await,
        AdminCommand::SetCeiling(arguments) => budget::set_ceiling(caller, admin, arguments).await,
        AdminCommand::Audit(arguments) => audit(caller, admin, arguments.limit.min(1000)).await,
    }
}

async fn requests(caller: &Caller<'_>, _admin: PlatformAdmin<'_>) -> Result<Reply, Failure> {
    let requests = caller.platform.store.open_requests().await.map_err(|error| store_failed(&error))?;
    let rows = requests.into_iter().map(|request| RequestRow {
        email: request.email,
        created_at: request.created_at,
        from: request.from.to_string(),
        reason: request.reason,
    });
    Ok(Reply::Requests(rows.collect()))
}

/// Approves in one transaction, then makes the Space run. The key is shown whatever becomes of the Space:
/// it cannot be shown again, and the Space is made as soon as it can be.
async fn approve(
    caller: &Caller<'_>,
    admin: PlatformAdmin<'_>,
    email: Email,
    progress: Progress,
) -> Result<Reply, Failure> {
    let platform = caller.platform;
    platform.lifecycle.engine_answers().await.map_err(|error| error.explain(email.as_str()))?;
    let (auth_key, expires_at) = (platform.new_auth_key(), expiry(platform.config.access.auth_key_lifetime));
    let name = SpaceName::from_email(&email);
    let approval = Approval {
        email: email.clone(),
        by: admin.user().id,
        hash: auth_key.hash(),
        expires_at,
        space: platform.new_space(name.clone()),
    };
    let approved =
        platform.store.approve(approval, Timestamp::now()).await.map_err(|error| store_failed(&error))?;
    match approved {
        Approve::Overdrawn(over) => Err(budget::overdrawn(&over, &email)),
        Approve::NoRequest => Err(Failure::new(Code::NotFound, format!("no open request from {email}"))
            .hint("`admin requests` lists them; `admin issue-key` needs none")),
        Approve::Approved { auth_key: id, space, .. } => {
            let (space, problem) = match space {
                None => (None, None),
                Some(space) => {
                    let (space, problem) = realize(caller, space, name, progress).await;
                    (Some(space), problem)
                }
            };
            Ok(Reply::Approved(IssuedKey { id, email, auth_key, expires_at, space, problem }))
        }
    }
}

/// The intent stands whatever becomes of it: entering or `space up` tries again.
async fn realize(
    caller: &Caller<'_>,
    id: SpaceId,
    name: SpaceName,
    progress: Progress,
) -> (SpaceChange, Option<Failure>) {
    match caller.platform.lifecycle.realize(id, progress).await {
        Ok(space) => (change(&space), None),
        Err(error) => {
            let failed = SpaceChange { id, name, state: Some(SpaceState::Failed) };
            (failed, Some(error.explain_to_admin(&id.to_string())))
        }
    }
}

async fn deny(caller: &Caller<'_>, admin: PlatformAdmin<'_>, email: Email) -> Result<Reply, Failure> {
    let denied = caller.platform.store.deny_request(&email, admin.user().id, Timestamp::now()).await;
    match denied.map_err(|error| store_failed(&error))? {
        Some(()) => Ok(Reply::Denied(Person { email, platform_admin: false })),
        None => Err(Failure::new(Code::NotFound, format!("no open request from {email}"))
            .hint("`admin requests` lists them")),
    }
}

async fn users(caller: &Caller<'_>, _admin: PlatformAdmin<'_>) -> Result<Reply, Failure> {
    let users = caller.platform.store.users().await.map_err(|error| store_failed(&error))?;
    let rows = users.into_iter().map(|user| UserRow {
        email: user.email,
        platform_admin: user.platform_admin,
        spaces: user.spaces,
        keys: user.keys,
        created_at: user.created_at,
    });
    Ok(Reply::Users(rows.collect()))
}

async fn grant(caller: &Caller<'_>, _admin: PlatformAdmin<'_>, email: Email) -> Result<Reply, Failure> {
    match caller.platform.store.grant(&email).await.map_err(|error| store_failed(&error))? {
        Some(()) => Ok(Reply::Granted(Person { email, platform_admin: true })),
        None => {
            Err(Failure::new(Code::NotFound, format!("no user {email}")).hint("`admin users` lists them"))
        }
    }
}

async fn issue_key(
    caller: &Caller<'_>,
    admin: PlatformAdmin<'_>,
    arguments: IssueKeyArguments,
) -> Result<Reply, Failure> {
    let platform = caller.platform;
    let grant = match (arguments.role, &arguments.space) {
        (Role::Admin, None) => Grant::Owner,
        (Role::Member, Some(reference)) => Grant::Member(any(caller, reference, admin).await?.id),
        (Role::Member, None) => {
            return Err(Failure::new(Code::Usage, "a member's key lets into one space")
                .hint("name it: `--space SPACE`"));
        }
        (Role::Admin, Some(_)) => {
            return Err(Failure::new(Code::Usage, "a key of role `admin` is for no space in particular")
                .hint("`--role member --space SPACE` lets somebody into one"));
        }
    };
    let lifetime = arguments.expires.map_or(platform.config.access.auth_key_lifetime, Lifetime::duration);
    let (auth_key, expires_at): (AuthKey, Timestamp) = (platform.new_auth_key(), expiry(lifetime));
    let new = NewAuthKey {
        email: arguments.email.clone(),
        grant,
        hash: auth_key.hash(),
        expires_at,
        issued_by: Some(admin.user().id),
    };
    match platform.store.issue_auth_key(new, Timestamp::now()).await.map_err(|error| store_failed(&error))? {
        Issue::Issued(id) => Ok(Reply::KeyIssued(IssuedKey {
            id,
            email: arguments.email,
            auth_key,
            expires_at,
            space: None,
            problem: None,
        })),
        Issue::NoSpace => Err(Failure::new(Code::NotFound, "that space was deleted meanwhile")),
    }
}

async fn auth_keys(caller: &Caller<'_>, _admin: PlatformAdmin<'_>) -> Result<Reply, Failure> {
    let keys =
        caller.platform.store.auth_keys(Timestamp::now()).await.map_err(|error| store_failed(&error))?;
    let rows = keys.into_iter().map(|key| AuthKeyRow {
        id: key.id,
        email: key.email,
        role: key.role,
        space: key.space,
        state: match key.state {
            spaces_store::AuthKeyState::Open => AuthKeyState::Open,
            spaces_store::AuthKeyState::Used => AuthKeyState::Used,
            spaces_store::AuthKeyState::Expired => AuthKeyState::Expired,
            spaces_store::AuthKeyState::Revoked => AuthKeyState::Revoked,
        },
        expires_at: key.expires_at,
    });
    Ok(Reply::AuthKeys(rows.collect()))
}

async fn revoke_key(caller: &Caller<'_>, _admin: PlatformAdmin<'_>, id: AuthKeyId) -> Result<Reply, Failure> {
    match caller
        .platform
        .store
        .revoke_auth_key(id, Timestamp::now())
        .await
        .map_err(|error| store_failed(&error))?
    {
        Revoke::Revoked => Ok(Reply::AuthKeyRevoked(AuthKeyChange { id })),
        Revoke::AlreadyUsed => Err(Failure::new(Code::Refused, format!("auth key {id} was used already"))
            .hint("what it registered is among that person's device keys")),
        Revoke::Absent => {
            Err(Failure::new(Code::NotFound, format!("no auth key {id}"))
                .hint("`admin auth-keys` lists them"))
        }
    }
}

async fn spaces(caller: &Caller<'_>, _admin: PlatformAdmin<'_>) -> Result<Reply, Failure> {
    let spaces = caller.platform.store.all_spaces().await.map_err(|error| store_failed(&error))?;
    let month = Month::of(Timestamp::now());
    let rows = spaces.iter().map(|space| OwnedSpaceRow {
        owner: space.owner_email.clone(),
        space: row(caller, space, Role::Admin, &month),
    });
    Ok(Reply::AllSpaces(rows.collect()))
}

async fn create_space(
    caller: &Caller<'_>,
    _admin: PlatformAdmin<'_>,
    arguments: CreateSpaceArguments,
    progress: Progress,
) -> Result<Reply, Failure> {
    let CreateSpaceArguments { owner, name } = arguments;
    let platform = caller.platform;
    platform.lifecycle.engine_answers().await.map_err(|error| error.explain(name.as_str()))?;
    let space = platform.new_space(name);
    let created = platform.store.create_space(&owner, &space, Timestamp::now()).await;
    match created.map_err(|error| store_failed(&error))? {
        CreateSpace::NameTaken => {
            Err(Failure::new(Code::Refused, format!("{owner} has a space named `{}` already", space.name))
                .hint("choose another name"))
        }
        CreateSpace::Overdrawn(over) => Err(budget::overdrawn(&over, &owner)),
        CreateSpace::Created(id) => {
            let space = platform
                .lifecycle
                .realize(id, progress)
                .await
                .map_err(|error| error.explain_to_admin(&id.to_string()))?;
            Ok(Reply::SpaceCreated(change(&space)))
        }
    }
}

async fn audit(caller: &Caller<'_>, _admin: PlatformAdmin<'_>, limit: u32) -> Result<Reply, Failure> {
    let entries = caller.platform.store.audit(limit).await.map_err(|error| store_failed(&error))?;
    let rows = entries.into_iter().map(|entry| AuditRow {
        at: entry.at,
        actor: entry.actor,
        key: entry.key,
        from: entry.from.map(|from| from.to_string()),
        action: entry.action.into_owned(),
        target: entry.target,
        outcome: match entry.outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        },
        detail: entry.detail,
    });
    Ok(Reply::Audit(rows.collect()))
}

fn expiry(lifetime: Duration) -> Timestamp {
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
    // As exactly as the store keeps it.
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
    now.checked_add(lifetime).unwrap_or(Timestamp::MAX)
}
