//! Names of the terminals that a Space holds: the number that people see, and the token that a program chose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Ends whatever a program may have left on in a terminal: the alternate screen, margins, odd modes of keyboard and
/// mouse, a hidden cursor, line drawing, colours. The cursor is on the last line after it.
pub const TERMINAL_RESET: &str = "\x1b[?1049l\x1b[r\x1b[?6l\x1b[?7h\x1b[4l\x1b[?1l\x1b>\x1b[?9l\x1b[?1000l\x1b[?1002l\
                                  \x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b(B\x0f\x1b[m\x1b[999H";

/// What a token begins with, so that it cannot be taken for a number.
const TOKEN: &str = "tk_";

/// Hexadecimal digits of a token: enough that nobody guesses or meets another's.
const TOKEN_DIGITS: usize = 32;

/// A terminal's number, from 1; never used twice while the Space runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionNumber(pub u32);

/// The name that a program chose for a terminal before it was made, to find it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionToken(String);

/// A terminal, by either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SessionReference {
    /// As people know it.
    Number(SessionNumber),
    /// As the program that made it knows it.
    Token(SessionToken),
}

/// Why a text names no terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionNameError {
    /// Neither.
    #[error("a session is named by its number, as `session list` shows it")]
    Reference,
    /// Not a token.
    #[error("a session's token is `tk_` and 32 hexadecimal digits")]
    Token,
}

impl SessionToken {
    /// A token of these bytes, which should be random.
    #[must_use]
    pub fn of(bytes: [u8; TOKEN_DIGITS / 2]) -> Self {
        Self(format!("{TOKEN}{:032x}", u128::from_be_bytes(bytes)))
    }
}

impl FromStr for SessionNumber {
    type Err = SessionNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let number = plain.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or(SessionNameError::Reference)
    }
}

impl FromStr for SessionToken {
    type Err = SessionNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(TOKEN).ok_or(SessionNameError::Token)?;
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() == TOKEN_DIGITS && digits.bytes().all(hexadecimal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SessionNameError::Token)
        }
    }
}

impl FromStr for SessionReference {
    type Err = SessionNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with(TOKEN) { text.parse().map(Self::Token) } else { text.parse().map(Self::Number) }
    }
}

impl TryFrom<String> for SessionToken {
    type Error = SessionNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SessionToken> for String {
    fn from(token: SessionToken) -> Self {
        token.0
    }
}

impl TryFrom<String> for SessionReference {
    type Error = SessionNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SessionReference> for String {
    fn from(reference: SessionReference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for SessionNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl fmt::Display for SessionToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for SessionReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Token(token) => token.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_or_a_token_names_a_terminal_and_nothing_else_does() {
        assert_eq!("7".parse(), Ok(SessionReference::Number(SessionNumber(7))));
        for text in ["", "0", "07", "+7", "-1", "4294967296", "seven", "7 ", "tk_", "tk_00", "TK_1"] {
            assert!(text.parse::<SessionReference>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_was_written(bytes in any::<[u8; 16]>()) {
            let token = SessionToken::of(bytes);
            prop_assert_eq!(token.to_string().parse(), Ok(SessionReference::Token(token)));
        }
    }
}
