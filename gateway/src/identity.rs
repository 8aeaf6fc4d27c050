//! Who is at the other end. Only [`crate::ssh::auth`] makes a [`Principal`], after a signature was verified
//! (a person), or an auth key was found good (a newcomer).

mod managed;
mod restrictions;

use spaces_protocol::frame::Program;
use spaces_protocol::name::{Email, Fingerprint};
use spaces_store::{Pass, User};

use crate::certificate::Claim;

pub(crate) use managed::Managed;
pub(crate) use restrictions::{ORIGINAL_COMMAND, Permit, Restrictions, Wish};

/// Whoever an SSH connection was authenticated as.
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// Holds a registered device key, or a certificate that one issued.
    Person(Person),
    /// Holds a good auth key; may only `login`.
    Newcomer(Newcomer),
    /// Came as `join`; may only request access.
    Stranger,
}

/// A user of this platform, proved by a device key or a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    user: User,
    credential: Credential,
}

#[derive(Debug, Clone)]
enum Credential {
    DeviceKey(Fingerprint),
    Certificate(Claim),
}

impl Person {
    /// To be called with the owner of a key whose signature was just verified, and with nobody else.
    pub(crate) fn proved(user: User, key: Fingerprint) -> Self {
        Self { user, credential: Credential::DeviceKey(key) }
    }

    /// To be called with the owner of a certificate that stands, and with nobody else.
    pub(crate) fn certified(user: User, claim: Claim) -> Self {
        Self { user, credential: Credential::Certificate(claim) }
    }

    /// Who.
    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    /// By which key. One that came with a certificate need not be registered.
    pub(crate) fn key(&self) -> &Fingerprint {
        match &self.credential {
            Credential::DeviceKey(key) => key,
            Credential::Certificate(claim) => &claim.subject,
        }
    }

    /// By which certificate, if it was one.
    pub(crate) fn certificate(&self) -> Option<&Claim> {
        match &self.credential {
            Credential::DeviceKey(_) => None,
            Credential::Certificate(claim) => Some(claim),
        }
    }

    /// What has to be good still when they want something.
    pub(crate) fn pass(&self) -> Pass<'_> {
        match &self.credential {
            Credential::DeviceKey(key) => Pass::Key(key),
            Credential::Certificate(claim) => {
                Pass::Certificate { serial: claim.serial, digest: &claim.digest }
            }
        }
    }

    /// Whether this person's way in leaves room for this. Their rights are another matter.
    pub(crate) fn may(&self, wish: Wish<'_>) -> bool {
        self.certificate().is_none_or(|claim| claim.restrictions.allow(wish))
    }

    /// The program that runs where they asked for this one, and what it is told of the wish.
    pub(crate) fn instead_of(&self, program: Program) -> (Program, Option<String>) {
        match self.certificate() {
            None => (program, None),
            Some(claim) => claim.restrictions.instead_of(program),
        }
    }

    /// The right to run the platform, if this person has it and came with a key of their own.
    pub(crate) fn as_platform_admin(&self) -> Option<PlatformAdmin<'_>> {
        let lent = self.certificate().is_some();
        (self.user.platform_admin && !lent).then_some(PlatformAdmin { person: self })
    }
}

/// A person who runs the platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlatformAdmin<'a> {
    person: &'a Person,
}

impl PlatformAdmin<'_> {
    /// Who.
    pub(crate) fn user(&self) -> &User {
        self.person.user()
    }
}

/// Somebody with a good auth key, and perhaps a key pair that is not registered yet.
#[derive(Debug, Clone)]
pub(crate) struct Newcomer {
    pub(crate) email: Email,
    /// Of the auth key's secret, as the store knows it.
    pub(crate) auth_key: [u8; 32],
    /// The key whose signature was verified on this connection.
    pub(crate) key: Option<ProvenKey>,
}

/// A public key whose private half the other end holds.
#[derive(Debug, Clone)]
pub(crate) struct ProvenKey {
    pub(crate) fingerprint: Fingerprint,
    /// One line in OpenSSH's form, without a comment.
    pub(crate) openssh: String,
}
