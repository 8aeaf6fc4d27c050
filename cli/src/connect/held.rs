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
use std::time::{Duration, Instant};

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

/// What the gateway ends with where it is worth trying again.
const LATER: i32 = 75;

/// A connection that lasted so long was one.
const SETTLED: Duration = Duration::from_secs(10);

/// So many in a row that were none: it is not the network.
const TRIES: u32 = 8;

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
    // What we call ourselves: we come back to the session that knows us, and take the place of nobody else there.
    let token = SessionToken::of(rand::random());
    let (mut words, watches) = match wanted.wanted() {
        Some((session, purpose)) => {
            let named = || Failure::new(Code::Internal, "no session was named");
            let option = option(session.ok_or_else(named)?, purpose);
            (format!("{option} --token {token}"), purpose == AttachPurpose::Watch)
        }
        None => (format!("--token {token}"), false),
    };
    if let Some(command) = command {
        words.push_str(" -- ");
        words.push_str(&String::from_utf8_lossy(&quote(command.as_bytes())));
    }
    let purpose = if watches { AttachPurpose::Watch } else { AttachPurpose::GoOn };
    let back = format!("{} --token {token}", option(&SessionReference::Token(token.clone()), purpose));
    let mut lost = 0;
    loop {
        let mut ssh = way.command("spaces", Terminal::Wanted);
        ssh.arg("--").arg(format!("connect {id} {words}"));
        let since = Instant::now();
        let status = run(&mut ssh).map_err(|error| way.cannot_run(&error))?;
        lost = if since.elapsed() < SETTLED { lost + 1 } else { 0 };
        match status {
            LOST if lost >= TRIES => {
                return Err(Failure::new(Code::Unavailable, "there is no way back to the session").hint(
                    "`spaces connect --attach` tries again, and `whoami` tells whether you are let in",
                ));
            }
            LOST => wait_for_gateway(way),
            // The gateway is back before its engine is.
            LATER if lost > 0 && lost < TRIES && words == back => wait_for_gateway(way),
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
            // Whoever ended it did not end the session.
            Ok(WaitStatus::Signaled(..)) => return Ok(LOST),
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
        drop(std::io::stdout().write_all(format!("{TERMINAL_RESET}\r\n").as_bytes()));
    }
    let mut progress = Progress::start();
    progress.say("connection lost, coming back (Ctrl-C leaves the session running)");
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
