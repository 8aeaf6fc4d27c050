//! `spaces auth logout`: the key unregistered, then the session file and what belongs to it removed.

use spaces_protocol::command::{AuthCommand, Command};
use spaces_protocol::failure::{Code, Failure};

use crate::settings::Settings;
use crate::{login, run, show};

pub(crate) async fn logout(settings: &Settings, json: bool) -> Result<(), Failure> {
    let session = settings.session()?;
    let told = match run::ask(settings, &session, Command::Auth(AuthCommand::Logout)).await {
        Ok(done) => show::done(&done, json),
        // The gateway does not know the key any more: what is left is here.
        Err(failure) if failure.code == Code::NotAuthenticated => show::stdout("logged out\n"),
        Err(failure) => return Err(failure),
    };
    let file = settings.session_file();
    std::fs::remove_file(file)
        .map_err(|error| Failure::new(Code::Refused, format!("cannot remove {}: {error}", file.display())))?;
    drop(std::fs::remove_file(file.with_extension("known_hosts")));
    if login::is_ours(&session.identity, file) {
        login::remove_key_pair(&session.identity);
    }
    told
}
