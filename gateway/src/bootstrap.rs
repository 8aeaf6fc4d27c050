//! The first platform admin. Works beside a gateway that runs: it only writes intents to the store, and the
//! gateway makes the Space.

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use spaces_protocol::auth_key::AuthKey;
use spaces_protocol::name::{Email, SpaceName};
use spaces_store::{AuditEntry, CreateSpace, Grant, Issue, NewAuthKey, Outcome};

use crate::config::Config;
use crate::{host_key, platform, serve};

/// Whether the admin gets a Space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstSpace {
    Make,
    None,
}

/// Makes this person a platform admin, who owns a Space if wanted, and gives the auth key to log in with.
pub(crate) async fn bootstrap(config: &Config, email: &Email, space: FirstSpace) -> anyhow::Result<AuthKey> {
    serve::prepare_state(&config.state)?;
    let host_key = host_key::load_or_create(&config.state)?;
    let store = serve::open_store(config).await?;
    let now = Timestamp::now();
    let user = store.ensure_platform_admin(email, now).await?;
    if space == FirstSpace::Make && store.spaces_of(user).await?.is_empty() {
        let space = platform::new_space(config, SpaceName::from_email(email));
        match store.create_space(email, &space, now).await? {
            // Taken: another bootstrap was quicker.
            CreateSpace::Created(_) | CreateSpace::NameTaken => {}
            CreateSpace::Overdrawn(over) => anyhow::bail!(
                "the configuration's ceiling on {} is less than a new space has; `--no-space` makes none",
                over.resource
            ),
        }
    }
    let auth_key = AuthKey::new(rand::random(), host_key::mark(host_key.public_key())?);
    let lifetime =
        SignedDuration::try_from(config.access.auth_key_lifetime).context("access.auth_key_lifetime")?;
    let new = NewAuthKey {
        email: email.clone(),
        grant: Grant::Owner,
        hash: auth_key.hash(),
        expires_at: now.checked_add(lifetime).context("access.auth_key_lifetime")?,
        issued_by: None,
    };
    match store.issue_auth_key(new, now).await? {
        Issue::Issued(_) => {
            store.record(&audit_entry(email, now)).await?;
            Ok(auth_key)
        }
        Issue::NoSpace => anyhow::bail!("the store refused an auth key that names no space"),
    }
}

/// Who runs this has the host: no actor, no address.
fn audit_entry(email: &Email, at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        actor: None,
        key: None,
        from: None,
        action: "platform.bootstrap".into(),
        target: Some(email.to_string()),
        outcome: Outcome::Done,
        detail: None,
    }
}
