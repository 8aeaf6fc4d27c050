//! Private keys that the gateway keeps in its state folder: made at the first start, unless an operator put one
//! there.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ed25519_dalek::SigningKey;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// Reads the key in this file of the state folder, or makes one, an Ed25519 key. One that others may read is refused,
/// as sshd does it: whoever copied it once could be the platform for ever.
pub(crate) fn load_or_create(state: &Path, name: &str, comment: &str) -> anyhow::Result<PrivateKey> {
    let path = state.join(name);
    match PrivateKey::read_openssh_file(&path) {
        Ok(key) => {
            let others = path.metadata()?.permissions().mode() & 0o077;
            anyhow::ensure!(
                others == 0,
                "others may read the key {0}: `chmod 600 {0}`, if nobody did",
                path.display()
            );
            anyhow::ensure!(!key.is_encrypted(), "{} has a passphrase, which nobody types", path.display());
            write_public(&key, &path)?;
            Ok(key)
        }
        Err(_) if !path.exists() => create(state, name, comment),
        Err(error) => Err(error).with_context(|| format!("cannot read the key {}", path.display())),
    }
}

fn create(state: &Path, name: &str, comment: &str) -> anyhow::Result<PrivateKey> {
    let path = state.join(name);
    let seed: [u8; 32] = rand::random();
    let keypair = Ed25519Keypair::from(&SigningKey::from_bytes(&seed));
    let key = PrivateKey::new(keypair.into(), comment)?;
    let text = key.to_openssh(LineEnding::LF)?;
    // Under another name first: a crash must not leave half a key, which the next start would stumble over.
    let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(state)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(&path) {
        Ok(_file) => {}
        // `bootstrap` beside the first `serve`: whoever came first made the key.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            return load_or_create(state, name, comment);
        }
        Err(error) => {
            return Err(error.error).with_context(|| format!("cannot write the key {}", path.display()));
        }
    }
    write_public(&key, &path)?;
    Ok(key)
}

/// The public half beside it, for people who hand it out.
fn write_public(key: &PrivateKey, path: &Path) -> anyhow::Result<()> {
    let (path, text) = (public_half(path), key.public_key().to_openssh()? + "\n");
    if std::fs::read(&path).is_ok_and(|present| present == text.as_bytes()) {
        return Ok(());
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn public_half(path: &Path) -> PathBuf {
    path.with_extension("pub")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let load = || load_or_create(state.path(), "some_key", "comment").unwrap();
        let (made, read) = (load(), load());
        assert_eq!(made.public_key(), read.public_key());
        let public = state.path().join("some_key.pub");
        std::fs::remove_file(&public).unwrap();
        load();
        assert!(public.exists(), "the public half comes back");
        let permissions = state.path().join("some_key").metadata().unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let load = || load_or_create(state.path(), "some_key", "comment");
        load().unwrap();
        for mode in [0o640, 0o604] {
            std::fs::set_permissions(state.path().join("some_key"), std::fs::Permissions::from_mode(mode))
                .unwrap();
            let error = load().unwrap_err().to_string();
            assert!(error.contains("others may read") && error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn those_who_make_it_at_once_end_up_with_one() {
        let state = tempfile::tempdir().unwrap();
        let made: Vec<_> = std::thread::scope(|scope| {
            let load = || load_or_create(state.path(), "some_key", "").unwrap().public_key().to_openssh();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "{made:?}");
    }

    #[test]
    fn half_a_key_is_an_error_and_not_replaced() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("some_key"), "-----BEGIN OPENSSH").unwrap();
        assert!(load_or_create(state.path(), "some_key", "").is_err());
        let kept = std::fs::read_to_string(state.path().join("some_key")).unwrap();
        assert_eq!(kept, "-----BEGIN OPENSSH");
    }
}
