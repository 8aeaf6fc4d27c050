//! Authentication: turns what a client proves into a [`Principal`].
//!
//! ```text
//! `spaces`   registered key, signed ----------------------------------> Person
//!            unknown key, signed (partial success, kept as proven)
//!              \-- keyboard-interactive: e-mail and auth key ---------> Newcomer (with that key)
//! `join`     anything -----------------------------------------------> Stranger
//! REF        registered key, signed ----------------------------------> Person
//! either     certificate of ours, its key signed ---------------------> Person, restricted
//! ```
//!
//! An unknown key's signature is partial success, once: the client then goes on to its next key or to the
//! prompts, and `login` knows which key to register. A key that is offered and never signed proves nothing.

mod certificate;

use std::net::IpAddr;
use std::sync::Arc;

use russh::keys::{Algorithm, PublicKey};
use russh::server::PublicKeyOffer;
use spaces_protocol::auth_key::AuthKey;
use spaces_protocol::name::{Email, Fingerprint, LoginName};
use spaces_protocol::prompt::Instruction;
use spaces_store::StoreError;
use tracing::{debug, error, info};

use super::public_key::{describe, fingerprint};
use crate::identity::{Newcomer, Person, Principal, ProvenKey};
use crate::platform::Platform;
use crate::{audit, tasks};

/// Answers that a person may give at the prompts before the connection is refused.
const TRIES: u8 = 3;

/// The state of one connection's authentication.
pub(crate) struct Authentication {
    platform: Arc<Platform>,
    from: IpAddr,
    proven: Option<ProvenKey>,
    tries: u8,
    done: Option<(Principal, LoginName)>,
}

/// What the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// In.
    Accepted,
    /// Proved, and not enough: go on.
    Partial,
    /// No.
    Refused,
}

/// What the client is told after an answer at the prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// In.
    Accepted,
    /// Ask again, with this above the prompts.
    Again(Instruction),
    /// No more.
    Refused,
}

impl Authentication {
    pub(crate) fn new(platform: Arc<Platform>, from: IpAddr) -> Self {
        Self { platform, from, proven: None, tries: 0, done: None }
    }

    /// Whoever this was authenticated as, and by which login name.
    pub(crate) fn done(&self) -> Option<(&Principal, &LoginName)> {
        self.done.as_ref().map(|(principal, login)| (principal, login))
    }

    /// Nothing was proved at all.
    pub(crate) fn none(&mut self, login: &str) -> Verdict {
        match login.parse() {
            Ok(LoginName::Join) if self.platform.config.access.requests => {
                self.done = Some((Principal::Stranger, LoginName::Join));
                Verdict::Accepted
            }
            Ok(LoginName::Join | LoginName::Console | LoginName::Space(_)) | Err(_) => Verdict::Refused,
        }
    }

    /// A key was named. Says whether its signature is worth having; proves nothing.
    pub(crate) async fn offered(&mut self, login: &str, offer: PublicKeyOffer<'_>) -> Verdict {
        if *offer.algorithm == (Algorithm::Rsa { hash: None }) {
            return Verdict::Refused;
        }
        let Ok(login) = login.parse::<LoginName>() else {
            return Verdict::Refused;
        };
        if let Some(certificate) = offer.certificate
            && login != LoginName::Join
        {
            return self.certificate_offered(&login, certificate).await;
        }
        let Some(fingerprint) = fingerprint(offer.public_key) else {
            return Verdict::Refused;
        };
        debug!(from = %self.from, key = %fingerprint, "a key is offered");
        match login {
            LoginName::Join => self.none("join"),
            LoginName::Console if self.proven.is_none() => Verdict::Accepted,
            LoginName::Console | LoginName::Space(_) => {
                match self.platform.store.user_by_key(&fingerprint).await.map_err(|error| unavailable(&error))
                {
                    Ok(Some(_user)) => Verdict::Accepted,
                    Ok(None) | Err(()) => Verdict::Refused,
                }
            }
        }
    }

    /// A key's signature was verified.
    pub(crate) async fn verified(&mut self, login: &str, key: &PublicKey) -> Verdict {
        let Ok(login) = login.parse::<LoginName>() else {
            return Verdict::Refused;
        };
        if login == LoginName::Join {
            return self.none("join");
        }
        let Ok(proven) = describe(key) else {
            return Verdict::Refused;
        };
        let user = self.platform.store.user_by_key(&proven.fingerprint).await;
        let Ok(user) = user.map_err(|error| unavailable(&error)) else { return Verdict::Refused };
        match user {
            Some(user) => {
                info!(user = %user.email, key = %proven.fingerprint, "authenticated");
                touch(&self.platform, proven.fingerprint.clone());
                self.done = Some((Principal::Person(Person::proved(user, proven.fingerprint)), login));
                Verdict::Accepted
            }
            None if login == LoginName::Console && self.proven.is_none() => {
                self.proven = Some(proven);
                Verdict::Partial
            }
            None => Verdict::Refused,
        }
    }

    /// Whether this login name has prompts at all.
    pub(crate) fn prompts(login: &str) -> bool {
        matches!(login.parse(), Ok(LoginName::Console))
    }

    /// An e-mail and an auth key were typed. Checks the auth key without using it up: `login` does that.
    pub(crate) async fn answered(&mut self, email: &str, auth_key: &str) -> Answered {
        self.tries += 1;
        let again = |reason| {
            if self.tries < TRIES { Answered::Again(reason) } else { Answered::Refused }
        };
        let auth_key = match auth_key.parse::<AuthKey>() {
            Ok(auth_key) => auth_key,
            Err(error) => return again(error.into()),
        };
        if auth_key.gateway() != self.platform.mark {
            return again(Instruction::OtherGateway);
        }
        let Ok(email) = email.parse::<Email>() else {
            return again(Instruction::NotAnEmail);
        };
        if !self.platform.limits.allow_login(self.from, &email) {
            info!(from = %self.from, "too many attempts to log in");
            self.record_refusal(&email, "too many attempts").await;
            return again(Instruction::TooManyAttempts);
        }
        let hash = auth_key.hash();
        let now = jiff::Timestamp::now();
        match self
            .platform
            .store
            .auth_key_is_good(&email, &hash, now)
            .await
            .map_err(|error| unavailable(&error))
        {
            Ok(true) => {
                let newcomer = Newcomer { email, auth_key: hash, key: self.proven.clone() };
                self.done = Some((Principal::Newcomer(newcomer), LoginName::Console));
                Answered::Accepted
            }
            Ok(false) => {
                info!(from = %self.from, "an auth key was refused");
                self.record_refusal(&email, "auth key not valid for this e-mail").await;
                again(Instruction::NotValid)
            }
            Err(()) => again(Instruction::Unavailable),
        }
    }

    async fn record_refusal(&self, email: &Email, reason: &'static str) {
        self.platform.metrics.authentication_failed(reason);
        audit::login_refused(&self.platform, self.from, email, self.proven.as_ref(), reason).await;
    }
}

/// Notes that the key was used. Nobody waits for it: a login must not cost a write to the disk.
fn touch(platform: &Arc<Platform>, key: Fingerprint) {
    let store = platform.store.clone();
    drop(tasks::spawn("touch", async move {
        if let Err(error) = store.touch_key(&key, jiff::Timestamp::now()).await {
            unavailable(&error);
        }
    }));
}

fn unavailable(error: &StoreError) {
    error!(error = error as &dyn std::error::Error, "the store failed during authentication");
}
