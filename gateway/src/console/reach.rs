//! Which Space a command means, and what its person may do with it. One's own are named by name or id; a platform admin
//! reaches everybody else's too, by id alone: a name that is one's own must not come to mean another's when one's own is
//! gone.

use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::SpaceReference;
use spaces_store::{AnySpace, Space};

use super::run::Caller;
use crate::entrance::{ambiguous, find, store_failed};
use crate::identity::{Managed, PlatformAdmin};

/// The Space, if this person may see what it does.
pub(super) async fn seen(caller: &Caller<'_>, reference: &SpaceReference) -> Result<Space, Failure> {
    match find(caller.platform, caller.person()?, reference).await {
        Ok(space) => Ok(space.into_inner()),
        Err(failure) => foreign(caller, reference, failure).await.map(|(space, _admin)| space),
    }
}

/// The Space, if this person may do more than use it.
pub(super) async fn managed(
    caller: &Caller<'_>,
    reference: &SpaceReference,
    verb: &str,
) -> Result<Managed, Failure> {
    let refusal = match find(caller.platform, caller.person()?, reference).await {
        Ok(space) => match Managed::by_role(space) {
            Ok(managed) => return Ok(managed),
            Err(owner) => Failure::new(
                Code::Refused,
                format!("you are a member of `{reference}`: only its admin can {verb} it"),
            )
            .hint(format!("ask {owner}")),
        },
        Err(failure) => failure,
    };
    let (space, admin) = foreign(caller, reference, refusal).await?;
    Ok(Managed::by_platform_admin(space, admin))
}

/// The Space of that id, for a platform admin; for anybody else what they were refused with.
async fn foreign<'a>(
    caller: &'a Caller<'_>,
    reference: &SpaceReference,
    refusal: Failure,
) -> Result<(Space, PlatformAdmin<'a>), Failure> {
    let Some(admin) = caller.person()?.as_platform_admin() else { return Err(refusal) };
    match (reference, refusal.code) {
        (SpaceReference::Id(_), Code::NotFound | Code::Refused) => {
            any(caller, reference, admin).await.map(|space| (space, admin))
        }
        (SpaceReference::Name(_), Code::NotFound) => {
            Err(refusal.hint("`list` shows yours, `admin spaces` everybody's: name another's by its id"))
        }
        (SpaceReference::Id(_) | SpaceReference::Name(_), _) => Err(refusal),
    }
}

/// The Space of that id or name, whosever it is.
pub(super) async fn any(
    caller: &Caller<'_>,
    reference: &SpaceReference,
    _admin: PlatformAdmin<'_>,
) -> Result<Space, Failure> {
    match caller.platform.store.find_any_space(reference).await.map_err(|error| store_failed(&error))? {
        AnySpace::Found(space) => Ok(*space),
        AnySpace::Absent => Err(Failure::new(Code::NotFound, format!("no space named `{reference}`"))
            .hint("`admin spaces` shows all of them")),
        AnySpace::Ambiguous(ids) => Err(ambiguous(reference, &ids)),
    }
}
