//! Which host keys are believed.

use russh::keys::PublicKey;
use spaces_protocol::auth_key::GatewayMark;

/// What is known of the gateway's host key before it shows it.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// It is this one, from an earlier login.
    Pinned(String),
    /// It has this mark, from an auth key.
    Marked(GatewayMark),
    /// Nothing: nothing secret will be said.
    Anyone,
}

impl Trust {
    /// Whether this key is the gateway's.
    pub(crate) fn believes(&self, key: &PublicKey) -> bool {
        match self {
            Self::Pinned(line) => one_line(key).is_some_and(|shown| shown == *line),
            Self::Marked(mark) => key.to_bytes().is_ok_and(|blob| GatewayMark::of_host_key(&blob) == *mark),
            Self::Anyone => true,
        }
    }
}

/// The key as in a public key file, without a comment.
pub(crate) fn one_line(key: &PublicKey) -> Option<String> {
    let bare = PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh().ok().map(|line| line.trim().to_owned())
}
