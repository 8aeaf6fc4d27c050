//! The two keys that sign. Both are files in the state folder, made at the first start; an operator who runs
//! several gateways puts the same host CA key into each folder before that.

use std::path::Path;

use anyhow::Context as _;
use russh::keys::{Certificate, PrivateKey};
use spaces_protocol::reply;

use super::host::{self, HostName};
use crate::key_file;

/// What people's certificates are signed with, and what everybody may know of both keys.
pub(crate) struct Authorities {
    user: PrivateKey,
    shown: reply::Authorities,
}

impl Authorities {
    /// The authorities of this state folder, and the host key's certificate.
    pub(crate) fn load_or_create(
        state: &Path,
        host_key: &PrivateKey,
        host_names: &[HostName],
    ) -> anyhow::Result<(Self, Certificate)> {
        let user = key_file::load_or_create(state, "user_ca_key", "spaces-user-ca")?;
        let host_ca = key_file::load_or_create(state, "host_ca_key", "spaces-host-ca")?;
        let own = [HostName::of_this_machine()];
        let names = if host_names.is_empty() { &own } else { host_names };
        let certificate =
            host::load_or_sign(state, host_key, &host_ca, names).context("the host certificate")?;
        let shown = reply::Authorities {
            host: host::known_hosts_line(names, host_ca.public_key())?,
            user: user.public_key().to_openssh()?,
        };
        Ok((Self { user, shown }, certificate))
    }

    /// What people's certificates are signed with.
    pub(crate) fn user(&self) -> &PrivateKey {
        &self.user
    }

    /// The public halves.
    pub(crate) fn shown(&self) -> reply::Authorities {
        self.shown.clone()
    }
}
