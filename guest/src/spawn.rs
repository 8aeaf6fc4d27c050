//! From a [`Start`] to a running program.
//!
//! Starting is one turn without a wait: lookup, terminal or pipes, fork, registration with the reaper.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Pid, Uid, pipe2};
use spaces_protocol::frame::{Exit, Program, Start};
use tokio::sync::oneshot;

use crate::account::{self, Account, AccountError};
use crate::child::{self, ControllingTerminal, Login};
use crate::descriptor::Descriptor;
use crate::environment::{self, TerminalNames};
use crate::motd;
use crate::reason;
use crate::sftp;
use crate::space::Space;
use crate::terminal::{self, Terminal};

/// Why a program could not be started. The text is for the person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The Space's files of accounts.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// No program can be given such a command.
    #[error("the command contains a NUL byte")]
    NulInCommand,
    /// SFTP takes its connection over: [`start_sftp`].
    #[error("SFTP is no program for a shell")]
    NotAProgram,
    /// No terminal.
    #[error("cannot make a terminal: {}", reason::of(.0))]
    Terminal(#[source] io::Error),
    /// No pipes.
    #[error("cannot make pipes: {}", reason::of(.0))]
    Pipes(#[source] io::Error),
    /// The shell is missing, not executable, or the Space is at its limit of processes or memory.
    #[error("cannot start `{}`: {}", shell.display(), reason::of(source))]
    Shell {
        /// The account's shell.
        shell: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A program that was started.
pub(crate) struct Running {
    /// Its process, which leads its session and its process group.
    pub(crate) pid: Pid,
    /// Gets its end.
    pub(crate) exit: oneshot::Receiver<Exit>,
    /// Our ends of what it reads and writes.
    pub(crate) streams: Streams,
    /// Shown before its output.
    pub(crate) greeting: Option<Vec<u8>>,
}

/// Our ends of a program's standard streams.
pub(crate) enum Streams {
    /// A terminal, for all three.
    Terminal(Rc<Descriptor>),
    /// A pipe for each.
    Pipes {
        /// Written by us.
        stdin: Descriptor,
        /// Read by us.
        stdout: Descriptor,
        /// Read by us.
        stderr: Descriptor,
    },
}

/// Starts what the gateway asked for.
pub(crate) fn start(space: &Space, start: &Start) -> Result<Running, SpawnError> {
    let account = account::look_up(&start.user)?;
    let mut command = command(&account.shell, &start.program)?;
    let (streams, terminal_path) = match &start.terminal {
        Some(request) => {
            let terminal = terminal::open_for(&account, request).map_err(SpawnError::Terminal)?;
            let path = terminal.path.clone();
            (attach_terminal(&mut command, terminal).map_err(SpawnError::Terminal)?, Some(path))
        }
        None => (attach_pipes(&mut command).map_err(SpawnError::Pipes)?, None),
    };
    let names = start.terminal.as_ref().zip(terminal_path.as_deref());
    let names = names.map(|(terminal, path)| TerminalNames { term: &terminal.term, path });
    command.env_clear().envs(environment::of_login(
        &space.image_environment,
        &account,
        names.as_ref(),
        &start.environment,
    ));
    let terminal = match &streams {
        Streams::Terminal(_) => ControllingTerminal::StandardInput,
        Streams::Pipes { .. } => ControllingTerminal::None,
    };
    child::log_in(&mut command, login(space, &account, terminal));
    let failed = |source| SpawnError::Shell { shell: account.shell.clone(), source };
    let pid = Pid::from_raw(command.spawn().map_err(failed)?.id().cast_signed());
    let exit = space.children.register(pid);
    Ok(Running { pid, exit, greeting: greeting(&account, start), streams })
}

/// Starts this program once more, as the person's user, to serve SFTP on this connection. Gives its end.
pub(crate) fn start_sftp(
    space: &Space,
    start: &Start,
    socket: OwnedFd,
) -> Result<oneshot::Receiver<Exit>, SpawnError> {
    let account = account::look_up(&start.user)?;
    // The kernel's name for the program that runs: it needs no path that the image would have to have.
    let program = PathBuf::from("/proc/self/exe");
    let mut command = Command::new(&program);
    command.arg0("spaces-guest").arg(sftp::ARGUMENT).stdin(socket);
    command.env_clear().envs(environment::of_login(
        &space.image_environment,
        &account,
        None,
        &start.environment,
    ));
    child::log_in(&mut command, login(space, &account, ControllingTerminal::None));
    let failed = |source| SpawnError::Shell { shell: program.clone(), source };
    let pid = Pid::from_raw(command.spawn().map_err(failed)?.id().cast_signed());
    Ok(space.children.register(pid))
}

/// The shell with its arguments. The command's own text is the shell's to read, as after sshd.
fn command(shell: &Path, program: &Program) -> Result<Command, SpawnError> {
    let name = shell.file_name().unwrap_or(shell.as_os_str());
    let mut command = Command::new(shell);
    match program {
        Program::LoginShell => {
            let mut dashed = OsString::from("-");
            dashed.push(name);
            command.arg0(dashed);
        }
        Program::Sftp => return Err(SpawnError::NotAProgram),
        Program::Command(bytes) if bytes.contains(&0) => return Err(SpawnError::NulInCommand),
        Program::Command(bytes) => {
            command.arg0(name).arg("-c").arg(OsStr::from_bytes(bytes));
        }
    }
    Ok(command)
}

fn attach_terminal(command: &mut Command, terminal: Terminal) -> io::Result<Streams> {
    command.stdin(terminal.slave.try_clone()?);
    command.stdout(terminal.slave.try_clone()?);
    command.stderr(terminal.slave);
    Ok(Streams::Terminal(Rc::new(Descriptor::new(terminal.master)?)))
}

fn attach_pipes(command: &mut Command) -> io::Result<Streams> {
    let (their_stdin, stdin) = pipe()?;
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    command.stdin(their_stdin).stdout(their_stdout).stderr(their_stderr);
    Ok(Streams::Pipes {
        stdin: Descriptor::new(stdin)?,
        stdout: Descriptor::new(stdout)?,
        stderr: Descriptor::new(stderr)?,
    })
}

/// The end to read and the end to write.
fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
}

fn login(space: &Space, account: &Account, terminal: ControllingTerminal) -> Login {
    let home = account.home.clone().into_os_string().into_vec();
    Login {
        uid: Uid::from_raw(account.uid),
        gid: Gid::from_raw(account.gid),
        groups: account.groups.iter().copied().map(Gid::from_raw).collect(),
        // A NUL in passwd: as good as a home that does not exist.
        home: CString::new(home).unwrap_or_default(),
        terminal,
        open_files: space.open_files,
    }
}

fn greeting(account: &Account, start: &Start) -> Option<Vec<u8>> {
    match (&start.program, &start.terminal) {
        (Program::LoginShell, Some(_)) => motd::for_login(&account.home),
        (Program::LoginShell, None) | (Program::Command(_) | Program::Sftp, _) => None,
    }
}
