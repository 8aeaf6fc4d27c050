//! Process 1 of a Space: starts programs for the gateway, holds their terminals, reaps every child.
//!
//! It owns the processes of one container and nothing else. It dials out to the gateway's socket, and listens for the
//! Space's own programs alone; what it is asked to run it runs as the user asked for, as sshd would after a login.
//!
//! ```text
//! control --Open{ticket}--> channel --Begin--> spawn --> input  (frames -> program)
//!                                                   \--> output (program -> frames)
//!                                               \--> session (a terminal that outlives its channels)
//! reaper  --exit status---> channel
//! front   --what programs in the Space ask of the platform--> gateway
//! shutdown: SIGTERM -> hang up on everything -> kill what is left -> exit
//! ```

mod account;
mod ask;
mod buffers;
mod channel;
mod child;
mod connection;
mod control;
mod descriptor;
mod display;
mod environment;
mod files;
mod foreground;
mod forward;
mod front;
mod identity;
mod input;
mod journal;
mod limits;
mod listener;
mod modes;
mod motd;
mod output;
mod passwd;
mod queue;
mod reaper;
mod reason;
mod resolver;
mod session;
mod sftp;
mod shutdown;
mod signals;
mod space;
mod spawn;
mod tasks;
mod terminal;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use spaces_protocol::frame;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::space::Space;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().map(PathBuf::from);
    if name.as_deref().and_then(Path::file_name).is_some_and(|name| name == OsStr::new(ask::NAME)) {
        return ask::program(arguments);
    }
    let socket = match (arguments.next(), arguments.next()) {
        (None, _) => {
            if let Err(error) = ask::link() {
                journal::note(format_args!("`{}` is not there for people: {error}", ask::NAME));
            }
            PathBuf::from(frame::SOCKET_PATH)
        }
        (Some(only), None) if only == OsStr::new("--version") => return print_version(),
        (Some(only), None) if only == OsStr::new(sftp::ARGUMENT) => return report("SFTP", sftp::serve()),
        // Tests alone name a socket.
        (Some(only), None) => PathBuf::from(only),
        (Some(_), Some(_)) => {
            journal::note(format_args!("usage: spaces-guest [--version | SOCKET]"));
            return ExitCode::from(2);
        }
    };
    report("cannot start", run(socket))
}

fn report(what: &str, outcome: io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            journal::note(format_args!("{what}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print_version() -> ExitCode {
    match writeln!(io::stdout(), "spaces-guest {}", env!("CARGO_PKG_VERSION")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed) => ExitCode::FAILURE,
    }
}

/// Serves until SIGTERM or SIGINT.
fn run(socket: PathBuf) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        // Before the first program starts: a SIGCHLD without a listener is a zombie.
        let child_signals = signal(SignalKind::child())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let space = Rc::new(Space::new(socket));
        tasks::spawn("reaper", reaper::reap_for_ever(Rc::clone(&space), child_signals));
        tasks::spawn("front", front::serve(Rc::clone(&space)));
        tokio::select! {
            () = control::keep_connected(&space) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown::stop(&space).await;
        Ok(())
    })
}
