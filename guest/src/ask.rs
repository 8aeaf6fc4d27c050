//! The program `spaces` inside a Space: this very file under another name. It asks process 1, and needs no key.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use lexopt::prelude::*;
use spaces_protocol::frame::{self, Held, Hold};
use tokio::runtime::{Builder, LocalOptions};

use crate::front;

/// What this program is called where people type it.
pub(crate) const NAME: &str = "spaces";

/// Where it is put if nothing is there: every user's and sudo's own path has that folder.
const LINK: &str = "/usr/local/bin/spaces";

const USAGE: &str = "\
Keep this space up though it does nothing

Usage: spaces hold TIME [--reason TEXT] [--json]
       spaces hold --end [--json]

  TIME             How long from now on: 30m, 4h, 7d at most; the longest of several holds
      --reason     What for; `space why` shows it
      --end        End all holds
      --json       Print the answer as JSON
";

/// As the other programs of this name end.
const WRONG: u8 = 2;
const LATER: u8 = 75;

/// What somebody typed.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Hold { hold: Hold, json: bool },
    Help,
}

/// Puts this program where people look for it. What an image has there stays.
pub(crate) fn link() -> io::Result<()> {
    match std::os::unix::fs::symlink(frame::GUEST_PATH, LINK) {
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
            Ok(())
        }
        linked => linked,
    }
}

/// Runs it with these arguments.
pub(crate) fn program(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match parse(lexopt::Parser::from_args(arguments)) {
        Ok(Asked::Help) => print(USAGE, 0),
        Ok(Asked::Hold { hold, json }) => match ask(hold) {
            Ok(held) => tell(&held, json),
            Err(error) => {
                complain(&format!("the platform does not answer: {error}"), "try again in a moment", LATER)
            }
        },
        Err(error) => {
            complain(&error.to_string(), "`spaces hold --help` tells what there is in a space", WRONG)
        }
    }
}

fn ask(hold: Hold) -> io::Result<Held> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(front::ask(Path::new(frame::SOCKET_PATH), hold)).map_err(io::Error::other)
}

fn parse(mut words: lexopt::Parser) -> Result<Asked, lexopt::Error> {
    match words.next()? {
        Some(Value(word)) if word == "hold" => {}
        Some(Long("help") | Short('h')) => return Ok(Asked::Help),
        Some(Value(word)) => {
            return Err(
                format!("`{}` is not known in a space: only `hold` is", word.to_string_lossy()).into()
            );
        }
        Some(other) => return Err(other.unexpected()),
        None => return Err("which command?".into()),
    }
    let (mut seconds, mut reason, mut json) = (None, String::new(), false);
    while let Some(word) = words.next()? {
        match word {
            Value(time) if seconds.is_none() => seconds = Some(time.parse_with(self::seconds)?),
            Long("end") if seconds.is_none() => seconds = Some(0),
            Long("reason") => reason = words.value()?.string()?,
            Long("json") => json = true,
            Long("help") | Short('h') => return Ok(Asked::Help),
            Value(_) | Short(_) | Long(_) => return Err(word.unexpected()),
        }
    }
    let seconds = seconds.ok_or("for how long?")?;
    Ok(Asked::Hold { hold: Hold { seconds, reason }, json })
}

/// At least one: no time at all is what ends holds.
fn seconds(text: &str) -> Result<u64, &'static str> {
    let span: Span = text.parse().map_err(|_malformed| "a time is written 30m, 4h or 7d")?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let time = time.map_err(|_of_months| "a time is written 30m, 4h or 7d")?;
    match u64::try_from(time.as_secs()) {
        Ok(seconds) if time >= SignedDuration::from_secs(1) => Ok(seconds),
        Ok(_) | Err(_) => Err("a hold lasts a second at least"),
    }
}

fn tell(held: &Held, json: bool) -> ExitCode {
    let until = match held {
        Held::Until(until) => Some(until),
        Held::Ended => None,
        Held::Busy => {
            return complain("too many holds are asked for at once", "try again in a minute", LATER);
        }
        Held::Refused(why) => return complain(why, "`spaces hold --help` tells what can be asked for", 1),
    };
    if json {
        return print(&format!("{}\n", serde_json::json!({ "until": until })), 0);
    }
    match until {
        Some(until) => print(&format!("the space stays up until {until}\n"), 0),
        None => print("no hold keeps the space up\n", 0),
    }
}

fn print(text: &str, status: u8) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(status),
        Err(_closed) => ExitCode::FAILURE,
    }
}

fn complain(problem: &str, hint: &str, status: u8) -> ExitCode {
    // Where nobody reads it, the status says it.
    drop(writeln!(io::stderr(), "error: {problem}\nhint: {hint}"));
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Asked, String> {
        parse(lexopt::Parser::from_args(words)).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn assert_holds(words: &[&str], seconds: u64, reason: &str, json: bool) {
        let hold = Hold { seconds, reason: reason.to_owned() };
        assert_eq!(parsed(words), Ok(Asked::Hold { hold, json }));
    }

    #[test]
    fn a_hold_is_a_time_and_perhaps_a_reason() {
        assert_holds(&["hold", "4h"], 14_400, "", false);
        assert_holds(&["hold", "1h30m", "--reason", "a b", "--json"], 5400, "a b", true);
        assert_holds(&["hold", "--reason=x", "7d"], 604_800, "x", false);
        assert_holds(&["hold", "--end"], 0, "", false);
        assert_eq!(parsed(&["hold", "--help"]), Ok(Asked::Help));
        assert_eq!(parsed(&["--help"]), Ok(Asked::Help));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["hold"][..],
            &[],
            &["list"],
            &["hold", "soon"],
            &["hold", "0s"],
            &["hold", "-1h"],
            &["hold", "1mo"],
            &["hold", "1h", "2h"],
            &["hold", "--end", "1h"],
            &["hold", "1h", "--reason"],
            &["hold", "1h", "--forever"],
            &["--version"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
