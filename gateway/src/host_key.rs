//! The gateway's identity: an Ed25519 host key in the state folder, made at the first start.

use std::path::Path;

use russh::keys::{PrivateKey, PublicKey};
use spaces_protocol::auth_key::GatewayMark;

use crate::key_file;

/// Reads the host key of this state folder, or makes it.
pub(crate) fn load_or_create(state: &Path) -> anyhow::Result<PrivateKey> {
    key_file::load_or_create(state, "ssh_host_ed25519_key", "spaces-gateway")
}

/// What auth keys of this gateway carry.
pub(crate) fn mark(key: &PublicKey) -> anyhow::Result<GatewayMark> {
    Ok(GatewayMark::of_host_key(&key.to_bytes()?))
}
