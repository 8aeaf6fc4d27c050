//! Spaces: `list`, `space up`, `space down`, `space delete`, `space set`.

use std::future::Future;

use jiff::Timestamp;
use spaces_protocol::command::SetArguments;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{Role, SpaceReference};
use spaces_protocol::reply::{Reply, SpaceChange, SpaceRow, SpaceSettings};
use spaces_provisioner::Progress;
use spaces_store::{Desired, Granted, Month, Settings, SettingsChange, Space};

use super::reach::managed;
use super::run::Caller;
use crate::allowance;
use crate::entrance::store_failed;
use crate::lifecycle::{LifecycleError, space_state};

pub(crate) async fn list(caller: &Caller<'_>) -> Result<Reply, Failure> {
    let month = Month::of(Timestamp::now());
    let rows = mine(caller).await?;
    Ok(Reply::Spaces(rows.iter().map(|space| row(caller, space, space.role(), &month)).collect()))
}

pub(crate) async fn up(
    caller: &Caller<'_>,
    reference: &SpaceReference,
    progress: Progress,
) -> Result<Reply, Failure> {
    let space = managed(caller, reference, "start").await?;
    let up = caller.platform.lifecycle.up(&space, progress);
    explained(reference, up).await.map(|space| Reply::SpaceIs(change(&space)))
}

pub(crate) async fn down(
    caller: &Caller<'_>,
    reference: &SpaceReference,
    progress: Progress,
) -> Result<Reply, Failure> {
    let space = managed(caller, reference, "stop").await?;
    progress.say("stopping the space");
    let down = caller.platform.lifecycle.down(&space);
    explained(reference, down).await.map(|space| Reply::SpaceIs(change(&space)))
}

pub(crate) async fn delete(
    caller: &Caller<'_>,
    reference: &SpaceReference,
    progress: Progress,
) -> Result<Reply, Failure> {
    let space = managed(caller, reference, "delete").await?;
    progress.say("removing the space and all its data");
    explained(reference, caller.platform.lifecycle.delete(&space)).await?;
    Ok(Reply::SpaceDeleted(SpaceChange { id: space.id, name: space.name.clone(), state: None }))
}

pub(crate) async fn set(caller: &Caller<'_>, arguments: SetArguments) -> Result<Reply, Failure> {
    let SetArguments { space: reference, forwarding, idle_stop } = arguments;
    let space = managed(caller, &reference, "change").await?;
    let change = SettingsChange { forwarding, idle_stop };
    match caller.platform.store.set_settings(space.id, change).await {
        Ok(Some(Settings { forwarding, idle_stop })) => Ok(Reply::SpaceSet(SpaceSettings {
            id: space.id,
            name: space.name.clone(),
            forwarding,
            idle_stop,
        })),
        Ok(None) => Err(LifecycleError::Gone.explain(&reference.to_string())),
        Err(error) => Err(store_failed(&error)),
    }
}

impl Caller<'_> {
    /// The Space that was named, or the only one this person can use.
    pub(crate) async fn named_or_only(
        &self,
        named: Option<SpaceReference>,
    ) -> Result<SpaceReference, Failure> {
        match named {
            Some(reference) => Ok(reference),
            None => self.only_space().await,
        }
    }

    /// The one Space this person can use; an error that says which there are, if it is not one.
    async fn only_space(&self) -> Result<SpaceReference, Failure> {
        let mut mine = mine(self).await?;
        mine.retain(|space| space.desired != Desired::Deleted);
        match mine.as_slice() {
            [] => Err(Failure::new(Code::NotFound, "you have no space")
                .hint("a platform admin can make one for you")),
            [space] => Ok(SpaceReference::Id(space.id)),
            several => {
                // With their ids: two of different owners may have one name.
                let show = |space: &Granted<Space>| format!("`{}` ({})", space.id, space.name);
                let names = several.iter().map(show).collect::<Vec<_>>().join(", ");
                Err(Failure::new(Code::Ambiguous, format!("you have several spaces: {names}"))
                    .hint("name the one: `connect SPACE`"))
            }
        }
    }
}

/// What people see of a Space that changed.
pub(crate) fn change(space: &Space) -> SpaceChange {
    let state = space_state(space.desired, space.observed);
    SpaceChange { id: space.id, name: space.name.clone(), state: Some(state) }
}

/// The Spaces that this person can use.
pub(super) async fn mine(caller: &Caller<'_>) -> Result<Vec<Granted<Space>>, Failure> {
    let user = caller.person()?.user().id;
    caller.platform.store.spaces_of(user).await.map_err(|error| store_failed(&error))
}

async fn explained<T>(
    reference: &SpaceReference,
    operation: impl Future<Output = Result<T, LifecycleError>>,
) -> Result<T, Failure> {
    operation.await.map_err(|error| error.explain(&reference.to_string()))
}

/// What is shown of a Space to somebody of this role in it.
pub(super) fn row(caller: &Caller<'_>, space: &Space, role: Role, month: &Month) -> SpaceRow {
    SpaceRow {
        id: space.id,
        name: space.name.clone(),
        role,
        state: space_state(space.desired, space.observed),
        cpu: space.spec.budget.cpu_millis,
        memory: space.spec.budget.memory_mib,
        disk: allowance::disk(&caller.platform.lifecycle, space),
        net: allowance::net(&caller.platform.lifecycle, space, month),
        llm_tokens: allowance::llm_tokens(space),
        forwarding: space.forwarding,
        created_at: space.created_at,
    }
}
