//! What a person reads when a command does not do what they asked, and the code a script gets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a command did not succeed, as a script tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The words are not a command, or a value is not of its kind.
    Usage,
    /// There is no such thing, or it is not for this person.
    NotFound,
    /// More than one thing has that name.
    Ambiguous,
    /// Known, and not allowed or not possible as things are.
    Refused,
    /// The person has to log in first.
    NotAuthenticated,
    /// A part of the platform does not answer; the same command may work later.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Code {
    /// The exit status: 1 failed, 2 wrong usage, 75 try again later (`EX_TEMPFAIL`).
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Unavailable => 75,
            Self::NotFound | Self::Ambiguous | Self::Refused | Self::NotAuthenticated | Self::Internal => 1,
        }
    }
}

/// One line and a way forward. Lower case, no full stop, names in backticks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For scripts.
    pub code: Code,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// The same failure with a way forward.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Both lines, for standard error.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", printable(&self.message))?;
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {}", printable(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// The text with everything escaped that a terminal would act on: what somebody typed is shown to somebody.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // The second half are characters that reorder or hide text without being control characters.
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if hidden {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// At most `length` characters of the text, with a mark where it was cut.
#[must_use]
pub fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_cannot_steer_the_terminal_that_shows_it() {
        let failure = Failure::new(Code::NotFound, "no space named `\u{1b}[2J`").hint("try `\r\u{202e}list`");
        assert_eq!(failure.to_string(), "error: no space named `\\u{1b}[2J`\nhint: try `\\r\\u{202e}list`\n");
    }

    #[test]
    fn the_codes_are_those_that_the_manual_promises() {
        let statuses = [Code::Usage, Code::NotFound, Code::Unavailable].map(Code::exit_status);
        assert_eq!(statuses, [2, 1, 75]);
    }
}
