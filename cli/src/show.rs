//! What a person sees: data on standard output, everything else on standard error.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use spaces_protocol::failure::{Code, Failure, printable};

use crate::gateway::Done;

/// Data. A reader that went away is its own business; a full disk is not: an auth key is shown but once.
pub(crate) fn stdout(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Code::Internal,
            format!("it was done, but the answer could not be written: {error}"),
        )
        .hint("is the disk full that standard output goes to?")),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn stderr(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// What was done, where that is no data.
pub(crate) fn note(text: &str) {
    stderr(text);
}

/// Something to know that stops nothing.
pub(crate) fn warning(text: &str) {
    stderr(&format!("warning: {}\n", printable(text)));
}

/// An answer, as text or as JSON.
pub(crate) fn done(done: &Done, json: bool) -> Result<(), Failure> {
    if json {
        stdout(&format!("{}\n", done.data))
    } else {
        let written = stdout(&done.stdout);
        stderr(&done.stderr);
        written
    }
}

/// A failure, and the exit status that goes with it.
pub(crate) fn failure(failure: &Failure) -> ExitCode {
    stderr(&failure.to_string());
    ExitCode::from(failure.code.exit_status())
}

/// Asks a question on the terminal; an empty answer where there is none.
pub(crate) fn ask(question: &str) -> String {
    stderr(question);
    let mut line = String::new();
    drop(std::io::stdin().lock().read_line(&mut line));
    line
}

/// News of work that takes long: one moving line on a terminal, lines elsewhere.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn start() -> Self {
        Self(std::io::stderr().is_terminal().then(ProgressBar::new_spinner))
    }

    pub(crate) fn say(&mut self, sentence: &str) {
        let sentence = printable(sentence);
        match &self.0 {
            Some(bar) => {
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                bar.set_message(sentence);
            }
            None => stderr(&format!("{sentence}\n")),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
