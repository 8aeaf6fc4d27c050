//! What the gateway draws on a terminal, by way of the local `ssh`.

use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use spaces_protocol::failure::Failure;
use spaces_protocol::name::SpaceReference;

use crate::connect::{Terminal, Way};
use crate::settings::Settings;

/// Whether somebody looks on who is not content with the figures of one moment.
pub(crate) fn suits(json: bool) -> bool {
    !json && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// `space usage`, until a key is pressed.
pub(crate) fn usage(settings: &Settings, space: &SpaceReference) -> Result<ExitCode, Failure> {
    let way = Way::of(settings, &settings.session()?)?;
    let mut ssh = way.command("spaces", Terminal::Wanted);
    ssh.args(["space", "usage", "--space", &space.to_string()]);
    Err(way.cannot_run(&ssh.exec()))
}
