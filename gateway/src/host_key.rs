//! The gateway's identity: an Ed25519 host key in the state folder, made at the first start.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use ed25519_dalek::SigningKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use spaces_protocol::auth_key::GatewayMark;

const FILE: &str = "ssh_host_ed25519_key";

/// Reads the host key of this state folder, or makes it.
pub(crate) fn load_or_create(state: &Path) -> anyhow::Result<PrivateKey> {
    let path = state.join(FILE);
    match PrivateKey::read_openssh_file(&path) {
        Ok(key) => {
            write_public(&key, &path)?;
            Ok(key)
        }
        Err(_) if !path.exists() => create(state, &path),
        Err(error) => Err(error).with_context(|| format!("cannot read the host key {}", path.display())),
    }
}

fn create(state: &Path, path: &Path) -> anyhow::Result<PrivateKey> {
    let seed: [u8; 32] = rand::random();
    let keypair = Ed25519Keypair::from(&SigningKey::from_bytes(&seed));
    let key = PrivateKey::new(keypair.into(), "spaces-gateway")?;
    let text = key.to_openssh(LineEnding::LF)?;
    // Under another name first: a crash must not leave half a key, which the next start would stumble over.
    let mut file = tempfile::Builder::new().prefix(".host-key").tempfile_in(state)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_file) => {}
        // `bootstrap` beside the first `serve`: whoever came first made the key.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return load_or_create(state),
        Err(error) => {
            return Err(error.error).with_context(|| format!("cannot write the host key {}", path.display()));
        }
    }
    write_public(&key, path)?;
    Ok(key)
}

/// The public half beside it, for people who hand it out.
fn write_public(key: &PrivateKey, path: &Path) -> anyhow::Result<()> {
    let (path, text) = (path.with_extension("pub"), key.public_key().to_openssh()? + "\n");
    if std::fs::read(&path).is_ok_and(|present| present == text.as_bytes()) {
        return Ok(());
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What auth keys of this gateway carry.
pub(crate) fn mark(key: &PublicKey) -> anyhow::Result<GatewayMark> {
    Ok(GatewayMark::of_host_key(&key.to_bytes()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        let made = load_or_create(state.path()).unwrap();
        let read = load_or_create(state.path()).unwrap();
        assert_eq!(made.public_key(), read.public_key());
        let public = state.path().join(FILE).with_extension("pub");
        std::fs::remove_file(&public).unwrap();
        load_or_create(state.path()).unwrap();
        assert!(public.exists(), "the public half comes back");
        let permissions = state.path().join(FILE).metadata().unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
    }
}
