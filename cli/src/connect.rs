//! `spaces connect`: the gateway makes sure that the Space runs, then the local `ssh` enters it, so that
//! everything a person knows of ssh holds.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use spaces_protocol::command::ConnectArguments as Target;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{SpaceId, SpaceReference};
use spaces_protocol::wire::RequestCommand;

use crate::address::Address;
use crate::arguments::ConnectArguments;
use crate::run::connected;
use crate::session::Session;
use crate::settings::Settings;

/// The name under which the host key is pinned, whatever the gateway's address is today.
pub(crate) const HOST_KEY_ALIAS: &str = "spaces-gateway";

/// Enters a Space. Returns only if that could not be started.
pub(crate) async fn connect(settings: &Settings, arguments: ConnectArguments) -> Result<(), Failure> {
    let mut session = settings.session()?;
    let space = arguments.space.or_else(|| session.default_space.clone());
    let gateway = connected(settings, &session).await?;
    let done = gateway.request(RequestCommand::Connect(Target { space, command: Vec::new() })).await?;
    let id = done.data.get("id").and_then(|id| id.as_str()).and_then(|id| id.parse::<SpaceId>().ok());
    let id = id.ok_or_else(|| Failure::new(Code::Internal, "the gateway did not say which space"))?;
    if arguments.default {
        // By id: a name can come to mean another Space.
        session.default_space = Some(SpaceReference::Id(id));
        session.save(settings.session_file())?;
    }
    let known_hosts = session.known_hosts(settings.session_file())?;
    let address = settings.gateway(None).unwrap_or_else(|_none| session.gateway.clone());
    let mut ssh = command(settings.ssh(), &session, &address, &known_hosts, id);
    if let Some(line) = line(&arguments.command) {
        ssh.arg("--").arg(line);
    }
    let error = ssh.exec();
    Err(Failure::new(Code::Refused, format!("cannot run {}: {error}", settings.ssh().display()))
        .hint("install OpenSSH's client, or name one in SPACES_SSH_BIN"))
}

fn command(ssh: &Path, session: &Session, address: &Address, known_hosts: &Path, id: SpaceId) -> Command {
    let option = |name: &str, value: &OsStr| {
        let mut option = OsString::from(name);
        option.push("=");
        // ssh reads options as a configuration line, where a blank would end the value.
        option.push("\"");
        option.push(value);
        option.push("\"");
        option
    };
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut command = Command::new(ssh);
    // The person's own configuration is for the person's own hosts.
    command.args(["-F", "none", "-p", &address.port().to_string(), "-l", &id.to_string()]);
    command.arg("-i").arg(&session.identity);
    command.arg("-o").arg(option("UserKnownHostsFile", known_hosts.as_os_str()));
    for setting in [
        "IdentitiesOnly=yes",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "PreferredAuthentications=publickey",
        "LogLevel=ERROR",
        "SendEnv=LANG LC_* COLORTERM NO_COLOR",
        "ServerAliveInterval=30",
    ] {
        command.arg("-o").arg(setting);
    }
    command.arg("-o").arg(option("HostKeyAlias", OsStr::new(HOST_KEY_ALIAS)));
    if terminal {
        command.arg("-t");
    }
    command.arg(address.host());
    command
}

/// What the shell in the Space is given: one word as it is, several so that they arrive as they are.
fn line(words: &[OsString]) -> Option<OsString> {
    match words {
        [] => None,
        [line] => Some(line.clone()),
        words => {
            let quoted: Vec<Vec<u8>> = words.iter().map(|word| quote(word.as_bytes())).collect();
            Some(OsString::from_vec(quoted.join(&b' ')))
        }
    }
}

/// One word in single quotes, whatever bytes it has; as it is where the shell would take it so.
fn quote(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return word.to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in word {
        if *byte == b'\'' {
            quoted.extend_from_slice(b"'\\''");
        } else {
            quoted.push(*byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_words_arrive_as_they_are_and_one_is_for_the_shell() {
        let words = |words: &[&str]| line(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(words(&[]), None);
        assert_eq!(words(&["ls | wc -l"]), Some("ls | wc -l".into()));
        assert_eq!(
            words(&["echo", "a  b", "it's", "$HOME", ""]),
            Some(r"echo 'a  b' 'it'\''s' '$HOME' ''".into())
        );
    }
}
