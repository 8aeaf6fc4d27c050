//! The proof that a person may use a thing.

use std::ops::Deref;

use spaces_protocol::name::Role;

/// A thing together with the role that a person has in it. Only a query scoped to that person makes one, so a
/// function that takes it need not ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted<T> {
    thing: T,
    role: Role,
}

impl<T> Granted<T> {
    pub(crate) fn new(thing: T, role: Role) -> Self {
        Self { thing, role }
    }

    /// What that person is in it.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The thing.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.thing
    }

    /// The thing without the proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.thing
    }
}

impl<T> Deref for Granted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}
