//! The right to do more with a Space than use it.

use std::ops::Deref;

use spaces_protocol::name::{Email, Role};
use spaces_store::{Granted, Space};

use super::PlatformAdmin;

/// A Space that somebody may start, stop, change and delete: its owner, or a platform admin.
#[derive(Debug, Clone)]
pub(crate) struct Managed(Space);

impl Managed {
    /// By a role in it; for a member, who else has it.
    pub(crate) fn by_role(space: Granted<Space>) -> Result<Self, Email> {
        match space.role() {
            Role::Admin => Ok(Self(space.into_inner())),
            Role::Member => Err(space.into_inner().owner_email),
        }
    }

    /// As one who runs the platform, whosever it is.
    pub(crate) fn by_platform_admin(space: Space, _admin: PlatformAdmin<'_>) -> Self {
        Self(space)
    }
}

impl Deref for Managed {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.0
    }
}
