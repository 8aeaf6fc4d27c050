//! Pseudo-terminals: made for one user, resized, and gone with their last descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::pty::{posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Gid, Uid, fchown};
use spaces_protocol::frame::{self, WindowSize};

use crate::account::Account;
use crate::modes;

/// Both ends of a terminal.
pub(crate) struct Terminal {
    /// Ours. When it closes, the kernel hangs up on the session.
    pub(crate) master: OwnedFd,
    /// The program's.
    pub(crate) slave: OwnedFd,
    /// The slave's path.
    pub(crate) path: String,
}

/// Makes a terminal that belongs to this user, as the client described it.
pub(crate) fn open_for(account: &Account, request: &frame::Terminal) -> io::Result<Terminal> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    unlockpt(&master)?;
    let path = ptsname_r(&master)?;
    let slave = open(Path::new(&path), flags, Mode::empty())?;
    // Write for the group is what lets write(1) and wall(1) reach the user, and only where there is such a group.
    let (group, mode) = match account.terminal_group {
        Some(group) => (group, Mode::from_bits_retain(0o620)),
        None => (account.gid, Mode::from_bits_retain(0o600)),
    };
    fchown(&slave, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(group)))?;
    fchmod(&slave, mode)?;
    let mut termios = tcgetattr(&slave)?;
    modes::apply(&mut termios, &request.modes);
    tcsetattr(&slave, SetArg::TCSANOW, &termios)?;
    let master = OwnedFd::from(master);
    resize(&master, request.size)?;
    Ok(Terminal { master, slave, path })
}

/// Sets the size; the kernel tells the foreground programs with SIGWINCH.
#[expect(unsafe_code, reason = "nix has no safe call for TIOCSWINSZ")]
pub(crate) fn resize(terminal: impl AsFd, size: WindowSize) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: size.pixel_width,
        ws_ypixel: size.pixel_height,
    };
    // SAFETY: the descriptor is open for as long as `terminal` lives, and TIOCSWINSZ reads one `winsize`, which
    // outlives the call.
    let result = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    Errno::result(result)?;
    Ok(())
}
