//! Where to look for what: flags first, then the environment, then the session. The one place that reads the
//! environment.

use std::env;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use spaces_protocol::failure::{Code, Failure};

use crate::address::Address;
use crate::session::Session;
use crate::show;

/// What flags and environment say.
pub(crate) struct Settings {
    /// The gateway, if somebody named one, and who did.
    base_url: Option<(Address, &'static str)>,
    session_file: PathBuf,
    ssh: PathBuf,
    home: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn gather(base_url: Option<Address>, session_file: Option<PathBuf>) -> Result<Self, Failure> {
        let base_url = match base_url {
            Some(address) => Some((address, "--base-url")),
            None => match env::var_os("SPACES_BASE_URL").filter(|text| !text.is_empty()) {
                Some(text) => {
                    let parsed = text.to_string_lossy().parse();
                    let address = parsed.map_err(|error: crate::address::AddressError| {
                        Failure::new(Code::Usage, format!("SPACES_BASE_URL: {error}"))
                    })?;
                    Some((address, "SPACES_BASE_URL"))
                }
                None => None,
            },
        };
        let ssh = path_variable("SPACES_SSH_BIN").unwrap_or_else(|| PathBuf::from("ssh"));
        let session_file = match session_file.or_else(|| path_variable("SPACES_SESSION_FILE")) {
            Some(file) => file,
            None => config_folder()?.join("session.json"),
        };
        Ok(Self { base_url, session_file, ssh, home: path_variable("HOME") })
    }

    /// The session file.
    pub(crate) fn session_file(&self) -> &Path {
        &self.session_file
    }

    /// The local ssh.
    pub(crate) fn ssh(&self) -> &Path {
        &self.ssh
    }

    /// Where the local ssh keeps its configuration.
    pub(crate) fn ssh_folder(&self) -> Result<PathBuf, Failure> {
        let home = self.home.as_ref().map(|home| home.join(".ssh"));
        home.ok_or_else(|| Failure::new(Code::Usage, "you have no home folder"))
    }

    /// The session, which has to be there.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        Session::load(&self.session_file)?.ok_or_else(not_authenticated)
    }

    /// The session, if there is one that can be read.
    pub(crate) fn any_session(&self) -> Option<Session> {
        Session::load(&self.session_file).ok().flatten()
    }

    /// The gateway to talk to; a warning where that is not the one that the session came from.
    pub(crate) fn gateway(&self, session: Option<&Session>) -> Result<Address, Failure> {
        match (&self.base_url, session) {
            (Some((address, named_by)), Some(session)) if *address != session.gateway => {
                show::warning(&format!(
                    "{named_by} names {address}, but you logged in at {}",
                    session.gateway
                ));
                Ok(address.clone())
            }
            (Some((address, _)), _) => Ok(address.clone()),
            (None, Some(session)) => Ok(session.gateway.clone()),
            (None, None) => Err(Failure::new(Code::Usage, "which gateway?")
                .hint("give its address: `--base-url ssh://HOST[:PORT]`, or SPACES_BASE_URL")),
        }
    }
}

/// There is no session, or the gateway does not know its key any more.
pub(crate) fn not_authenticated() -> Failure {
    Failure::new(Code::NotAuthenticated, "not authenticated")
        .hint("`spaces login EMAIL` logs in with the auth key that you received")
}

fn path_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn config_folder() -> Result<PathBuf, Failure> {
    if let Some(folder) = path_variable("SPACES_CONFIG_DIR") {
        return Ok(folder);
    }
    let base = etcetera::choose_base_strategy().map_err(|_homeless| {
        Failure::new(Code::Usage, "you have no home folder to keep a session in")
            .hint("name a file: `--session-file FILE`")
    })?;
    Ok(base.config_dir().join("spaces"))
}
