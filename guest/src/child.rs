//! What a new process does to itself between fork and exec.
//!
//! Everything is prepared before the fork: here are only calls that are safe after it. Nothing allocates.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, setgid, setgroups, setsid, setuid, write};

use crate::limits::OpenFiles;

/// By how many thousandths of the memory limit a program counts as larger than it is, where there is no memory for all: a
/// crowd of the smallest must be ended before process 1, which takes the whole Space along. A program may take that back, to
/// the harm of its own Space; where the host itself has no memory left, it is then ahead of others by so little.
const OOM_SCORE_ADJ: &[u8] = b"50";

/// A program's user, folder and session.
pub(crate) struct Login {
    /// User id.
    pub(crate) uid: Uid,
    /// Primary group.
    pub(crate) gid: Gid,
    /// All groups.
    pub(crate) groups: Vec<Gid>,
    /// First working folder; `/` if it cannot be entered.
    pub(crate) home: CString,
    /// Whether standard input is to be the session's terminal.
    pub(crate) terminal: ControllingTerminal,
    /// The limit to give back, if process 1 changed its own.
    pub(crate) open_files: Option<OpenFiles>,
}

/// Whether a session has a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ControllingTerminal {
    StandardInput,
    None,
}

/// Makes the command log in when it starts.
#[expect(unsafe_code, reason = "nothing else runs code between fork and exec")]
pub(crate) fn log_in(command: &mut Command, login: Login) {
    // SAFETY: `Login::enter` makes system calls alone: no allocation, no lock, nothing that another thread could
    // hold (there is none).
    unsafe { command.pre_exec(move || login.enter()) };
}

impl Login {
    fn enter(&self) -> io::Result<()> {
        setsid()?;
        if self.terminal == ControllingTerminal::StandardInput {
            take_terminal()?;
        }
        default_signals();
        close_the_rest_at_exec();
        be_ended_first();
        SigSet::empty().thread_set_mask()?;
        umask(Mode::from_bits_retain(0o022));
        if let Some(open_files) = self.open_files {
            open_files.restore()?;
        }
        // The user last: it is what takes the right to do the others.
        setgroups(&self.groups)?;
        setgid(self.gid)?;
        setuid(self.uid)?;
        // As the user, whose home may be closed to everyone else.
        chdir(self.home.as_c_str()).or_else(|_| chdir(c"/"))?;
        Ok(())
    }
}

#[expect(unsafe_code, reason = "nix has no safe call for TIOCSCTTY")]
fn take_terminal() -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes a number, not a pointer; a descriptor that is no terminal is an error.
    Errno::result(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) })?;
    Ok(())
}

/// Where /proc is not the kernel's, programs count as what they are.
fn be_ended_first() {
    if let Ok(score) = open(c"/proc/self/oom_score_adj", OFlag::O_WRONLY, Mode::empty()) {
        write(score, OOM_SCORE_ADJ).ok();
    }
}

/// Everything of ours is marked to close at exec. What process 1 was started with may not be.
#[expect(unsafe_code, reason = "nix has no call for close_range")]
fn close_the_rest_at_exec() {
    // SAFETY: marks descriptors and closes none: whoever owns one still owns it. A kernel before 5.11 refuses the
    // flag, and nothing changes.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            libc::STDERR_FILENO + 1,
            libc::c_int::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

/// Handlers are reset by exec; what is ignored would stay ignored. That a file became too large for its limit, which is
/// how the platform refuses writes to a disk that is full, is for a program to read as an error and not to die of.
#[expect(unsafe_code, reason = "setting a disposition is unsafe whatever the disposition")]
fn default_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: no handler is installed. The signals that cannot be set (KILL, STOP, the C library's own) are
        // refused with an error, which is as good.
        unsafe { libc::signal(signal, if signal == libc::SIGXFSZ { libc::SIG_IGN } else { libc::SIG_DFL }) };
    }
}
