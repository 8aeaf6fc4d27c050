//! Logging in by certificate: judged when it is offered, before its holder is asked to sign, and again when they
//! have. What is refused here is refused as any key, and said in the log once: an offer that fails is not signed.

use jiff::Timestamp;
use russh::keys::Certificate;
use russh::keys::ssh_key::public::KeyData;
use spaces_protocol::name::{Fingerprint, LoginName, SpaceReference};
use spaces_store::{FindSpace, Pass, Standing, StoreError, User};
use tracing::info;

use super::{Authentication, Verdict, unavailable};
use crate::audit;
use crate::certificate::{Claim, Fault, Named, judge};
use crate::identity::{Person, Principal, Wish};

/// Why nobody gets in by a certificate.
enum Refused {
    Fault(Fault),
    /// The store failed, and the log says so.
    Unavailable,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        unavailable(&error);
        Self::Unavailable
    }
}

impl Authentication {
    /// A certificate was named. Says whether its key's signature is worth having; proves nothing.
    pub(super) async fn certificate_offered(&self, login: &LoginName, certificate: &Certificate) -> Verdict {
        match self.weighed(login, certificate).await {
            Some(_person) => Verdict::Accepted,
            None => Verdict::Refused,
        }
    }

    /// The key of a certificate has signed.
    pub(crate) async fn certified(&mut self, login: &str, certificate: &Certificate) -> Verdict {
        let Ok(login) = login.parse::<LoginName>() else {
            return Verdict::Refused;
        };
        if login == LoginName::Join {
            return self.none("join");
        }
        let Some(person) = self.weighed(&login, certificate).await else {
            return Verdict::Refused;
        };
        info!(
            user = %person.user().email,
            key = %person.key(),
            serial = certificate.serial(),
            key_id = ?certificate.key_id(),
            "authenticated by certificate"
        );
        self.done = Some((Principal::Person(person), login));
        Verdict::Accepted
    }

    async fn weighed(&self, login: &LoginName, certificate: &Certificate) -> Option<Person> {
        let fault = match self.weigh(login, certificate).await {
            Ok(person) => return Some(person),
            Err(Refused::Fault(fault)) => fault,
            Err(Refused::Unavailable) => return None,
        };
        let (serial, key) = (certificate.serial(), fingerprint(certificate.public_key()));
        let ca = fingerprint(certificate.signature_key());
        info!(from = %self.from, serial, key = key.as_ref().map(Fingerprint::as_str), ca = ca.as_ref().map(Fingerprint::as_str), reason = %fault, "a certificate was refused");
        // Strangers show strangers' certificates, of which there is nothing to tell.
        if fault != Fault::Stranger {
            self.platform.metrics.authentication_failed("certificate refused");
            audit::certificate_refused(&self.platform, self.from, serial, key, fault).await;
        }
        None
    }

    async fn weigh(&self, login: &LoginName, certificate: &Certificate) -> Result<Person, Refused> {
        let store = &self.platform.store;
        let ca = self.platform.authorities.user().public_key();
        let claim = judge(certificate, ca, self.from, Timestamp::now())?;
        let user = match store.standing(claim.serial, &claim.digest).await? {
            Standing::Stands(user) => user,
            Standing::Revoked => return Err(Fault::Revoked.into()),
            Standing::Unknown => return Err(Fault::NotIssued.into()),
        };
        if !self.opens(&user, &claim, login).await? {
            return Err(Fault::Principal.into());
        }
        Ok(Person::certified(user, claim))
    }

    /// Whether a certificate of this person is for this login name.
    async fn opens(&self, user: &User, claim: &Claim, login: &LoginName) -> Result<bool, StoreError> {
        match (login, &claim.named) {
            (LoginName::Join, _) => Ok(true),
            (LoginName::Console, _) => Ok(claim.restrictions.allow(Wish::Console)),
            // Which of their Spaces, if any, is said when a channel enters it, as to a device key.
            (LoginName::Space(_), Named::Person(email)) => Ok(user.email == *email),
            (LoginName::Space(reference), Named::Space(_)) => self.is_for(user, claim, reference).await,
        }
    }

    async fn is_for(&self, user: &User, claim: &Claim, named: &SpaceReference) -> Result<bool, StoreError> {
        let pass = Pass::Certificate { serial: claim.serial, digest: &claim.digest };
        match self.platform.store.find_space(user.id, pass, named).await? {
            FindSpace::Found(space) => Ok(claim.restrictions.allow(Wish::Enter(space.id))),
            FindSpace::Absent | FindSpace::Ambiguous(_) => Ok(false),
        }
    }
}

fn fingerprint(key: &KeyData) -> Option<Fingerprint> {
    key.fingerprint(russh::keys::HashAlg::Sha256).to_string().parse().ok()
}
