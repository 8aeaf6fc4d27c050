//! The auth key, from a masked prompt, a file, or standard input. Never from an argument: others can see those.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use spaces_protocol::auth_key::AuthKey;
use spaces_protocol::failure::{Code, Failure};

use crate::arguments::LoginArguments;

/// Longest input read: a key is one short line.
const MAX_INPUT: u64 = 4096;

/// Reads the auth key from where the arguments say.
pub(crate) fn read(arguments: &LoginArguments) -> Result<AuthKey, Failure> {
    let text = match &arguments.key_file {
        Some(path) => from_file(path)?,
        None if arguments.key_stdin => bounded(std::io::stdin())
            .map_err(|error| Failure::new(Code::Usage, format!("cannot read standard input: {error}")))?,
        None => rpassword::prompt_password("auth key: ").map_err(|_no_terminal| {
            Failure::new(Code::Usage, "there is no terminal to ask for the auth key on")
                .hint("give it with `--key-file FILE` or `--key-stdin`")
        })?,
    };
    text.parse().map_err(|error: spaces_protocol::auth_key::AuthKeyError| {
        Failure::new(Code::Refused, error.to_string())
            .hint("copy it anew, as a whole; it begins with `spaces_`")
    })
}

fn from_file(path: &Path) -> Result<String, Failure> {
    let show = path.display();
    let unreadable = |error: std::io::Error| {
        Failure::new(Code::Refused, format!("cannot read the key file {show}: {error}"))
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
        return Err(Failure::new(Code::Refused, format!("others can read the key file {show}"))
            .hint(format!("`chmod 600 {show}`, and if anybody may have read it, ask for another key")));
    }
    bounded(file).map_err(unreadable)
}

fn bounded(reader: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    reader.take(MAX_INPUT).read_to_string(&mut text)?;
    Ok(text)
}
