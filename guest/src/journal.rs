//! Lines for the operator, on stderr: the container engine's log. Never channel bytes, commands or variables.

use std::fmt;
use std::io::{self, Write};

/// Writes one line. A log that nobody takes is no reason to stop serving.
pub(crate) fn note(line: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "spaces-guest: {line}"));
}
