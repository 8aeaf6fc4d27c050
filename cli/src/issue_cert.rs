//! `spaces issue-cert`: a certificate for a key of this machine, beside it, where ssh looks for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use russh::keys::{Certificate, PrivateKey, PublicKey};
use spaces_protocol::command::Command;
use spaces_protocol::failure::{Code, Failure};

use crate::arguments::IssueCertArguments;
use crate::settings::Settings;
use crate::{files, run, show};

/// Has the key certified and writes the certificate beside it.
pub(crate) async fn issue_cert(
    settings: &Settings,
    arguments: IssueCertArguments,
    json: bool,
) -> Result<(), Failure> {
    let identity = identity(&arguments.identity_file);
    let key = public_key(&identity)?;
    let line = key.to_openssh().map_err(|error| unreadable(&identity, &error))?;
    let order = spaces_protocol::command::IssueCertArguments { public_key: line, ..arguments.order };
    let mut done = run::ask(settings, &settings.session()?, Command::IssueCert(order)).await?;
    let certificate = done.data.get("certificate").and_then(serde_json::Value::as_str).unwrap_or_default();
    // It becomes a file that ssh reads: nothing else than what was asked for.
    let certified = certificate.parse::<Certificate>();
    if certified.is_err() || certified.is_ok_and(|certified| certified.public_key() != key.key_data()) {
        return Err(Failure::new(
            Code::Internal,
            "the gateway did not answer with a certificate of that key",
        ));
    }
    let path = beside(&identity, "-cert.pub");
    files::write_private(&path, format!("{}\n", certificate.trim()).as_bytes())?;
    done.stdout = format!("{}\n", path.display());
    show::done(&done, json)
}

/// The private key's path, whichever half was named.
fn identity(named: &Path) -> PathBuf {
    if named.extension().is_some_and(|end| end == "pub") {
        named.with_extension("")
    } else {
        named.to_owned()
    }
}

/// From the `.pub` file, else from the private key, whose public half no passphrase hides.
fn public_key(identity: &Path) -> Result<PublicKey, Failure> {
    let public = beside(identity, ".pub");
    if public.exists() {
        return PublicKey::read_openssh_file(&public).map_err(|error| unreadable(&public, &error));
    }
    let private = PrivateKey::read_openssh_file(identity).map_err(|error| unreadable(identity, &error))?;
    Ok(private.public_key().clone())
}

fn beside(identity: &Path, end: &str) -> PathBuf {
    let mut name: OsString = identity.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::Refused, format!("cannot read the key {}: {error}", path.display()))
        .hint("make one with `ssh-keygen -t ed25519`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_half_names_the_key() {
        for named in ["/x/id", "/x/id.pub"] {
            assert_eq!(beside(&identity(Path::new(named)), "-cert.pub"), Path::new("/x/id-cert.pub"));
        }
        assert_eq!(identity(Path::new("/x/1.id_ed25519")), Path::new("/x/1.id_ed25519"));
    }
}
