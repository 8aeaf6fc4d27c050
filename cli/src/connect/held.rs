//! A session that the Space holds, seen through the local `ssh`: when the connection is lost, it is made again.
//!
//! ```text
//! ssh runs --ends with its program's status--> done
//!    |  \\--255: the connection was lost--> wait until the gateway can be reached --> ssh, taking the session back
//!    \\--suspended (~^Z): so are we, until we go on
//! ```

use std::io::{IsTerminal as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use spaces_protocol::command::SessionArguments;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::frame::AttachPurpose;
use spaces_protocol::name::SpaceId;
use spaces_protocol::session::{SessionReference, SessionToken, TERMINAL_RESET};

use super::ssh::{Terminal, Way};
use super::words::quote;
use crate::show::Progress;

/// What `ssh` ends with when the connection is lost. A program may end so too: then there is no session to go back to.
const LOST: i32 = 255;

/// Before each try. The first leaves time for Ctrl-C to somebody who ended the connection on purpose (`~.`).
const PAUSES: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];

/// How long a gateway may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `ssh` until the session's program has ended, or somebody else has taken the session.
pub(super) fn enter(
    way: &Way,
    id: SpaceId,
    wanted: &SessionArguments,
    command: Option<&str>,
) -> Result<ExitCode, Failure> {
    let (mut words, session, purpose) = if let Some((session, purpose)) = wanted.wanted() {
        let named = || Failure::new(Code::Internal, "no session was named");
        let session = session.cloned().ok_or_else(named)?;
        (option(&session, purpose), session, purpose)
    } else {
        let token = SessionToken::of(rand::random());
        (format!("--token {token}"), SessionReference::Token(token), AttachPurpose::Take)
    };
    if let Some(command) = command {
        words.push_str(" -- ");
        words.push_str(&String::from_utf8_lossy(&quote(command.as_bytes())));
    }
    // Our own: the other end may not have noticed that we are gone.
    let back = match purpose {
        AttachPurpose::GoOn | AttachPurpose::Take => option(&session, AttachPurpose::Take),
        AttachPurpose::Watch => option(&session, AttachPurpose::Watch),
    };
    loop {
        let mut ssh = way.command("spaces", Terminal::Wanted);
        ssh.arg("--").arg(format!("connect {id} {words}"));
        match run(&mut ssh).map_err(|error| way.cannot_run(&error))? {
            LOST => wait_for_gateway(way),
            status => return Ok(ExitCode::from(u8::try_from(status).unwrap_or(1))),
        }
        words.clone_from(&back);
    }
}

fn option(session: &SessionReference, purpose: AttachPurpose) -> String {
    match purpose {
        AttachPurpose::GoOn => format!("--attach {session}"),
        AttachPurpose::Take => format!("--take {session}"),
        AttachPurpose::Watch => format!("--watch {session}"),
    }
}

/// Runs a program in our place at the terminal; gives its exit status as a shell tells it.
fn run(command: &mut Command) -> std::io::Result<i32> {
    let child = command.spawn()?;
    let pid = pid_of(&child);
    loop {
        match waitpid(pid, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            // Its user wants the shell that we were started from.
            Ok(WaitStatus::Stopped(..)) => {
                raise(Signal::SIGSTOP)?;
                kill(pid, Signal::SIGCONT)?;
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Until the gateway accepts connections, or Ctrl-C ends us.
fn wait_for_gateway(way: &Way) {
    if std::io::stdout().is_terminal() {
        // A terminal that is gone needs no reset.
        drop(std::io::stdout().write_all(TERMINAL_RESET.as_bytes()));
    }
    let mut progress = Progress::start();
    progress.say("connection lost; the session goes on, and so do we when it is back; Ctrl-C leaves it");
    let mut pauses = PAUSES.into_iter();
    let mut pause = Duration::ZERO;
    loop {
        pause = pauses.next().unwrap_or(pause);
        std::thread::sleep(pause);
        if is_reachable(way) {
            return;
        }
    }
}

fn is_reachable(way: &Way) -> bool {
    let Ok(addresses) = (way.address.host(), way.address.port()).to_socket_addrs() else {
        return false;
    };
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
}
