//! What stands above the prompts for e-mail and auth key: a sentence for a person, a failure for `spaces`.

use crate::auth_key::AuthKeyError;
use crate::failure::{Code, Failure};

/// Why the prompts are shown, or shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// For the first time.
    Welcome,
    /// The auth key has a typo in it, or was cut short.
    Mistyped,
    /// The auth key is of a newer version.
    Version,
    /// The auth key is for another gateway.
    OtherGateway,
    /// What stands for the e-mail is none.
    NotAnEmail,
    /// Wrong, expired, revoked, used, or another person's: the five look alike.
    NotValid,
    /// From this address or for this e-mail, this minute.
    TooManyAttempts,
    /// The store does not answer.
    Unavailable,
}

impl Instruction {
    const ALL: [Self; 8] = [
        Self::Welcome,
        Self::Mistyped,
        Self::Version,
        Self::OtherGateway,
        Self::NotAnEmail,
        Self::NotValid,
        Self::TooManyAttempts,
        Self::Unavailable,
    ];

    /// The sentence above the prompts.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Welcome => "This key is not registered here. Log in with the auth key that you received.",
            Self::Mistyped => "That auth key is mistyped.",
            Self::Version => "That auth key is of a newer version.",
            Self::OtherGateway => "That auth key is for another gateway.",
            Self::NotAnEmail => "That is not an e-mail address.",
            Self::NotValid => "That auth key is not valid for that e-mail.",
            Self::TooManyAttempts => "Too many attempts. Try again in a minute.",
            Self::Unavailable => "The platform's store does not answer. Try again later.",
        }
    }

    /// The instruction of this sentence, if a gateway of this version said it.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|instruction| instruction.text() == text.trim())
    }

    /// The same for somebody who was not asked by a prompt.
    #[must_use]
    pub fn failure(self) -> Failure {
        let refused = |message: &str, hint: &str| Failure::new(Code::Refused, message).hint(hint);
        let another = "a platform admin can issue another auth key";
        match self {
            Self::Welcome => refused("that SSH key is not registered here", another),
            Self::Mistyped => refused(&AuthKeyError::Mistyped.to_string(), "copy it anew, as a whole"),
            Self::Version => refused(&AuthKeyError::Version.to_string(), another),
            Self::OtherGateway => refused("that auth key is for another gateway", another),
            Self::NotAnEmail => Failure::new(Code::Usage, "that is not an e-mail address"),
            Self::NotValid => refused("that auth key is not valid for that e-mail", another),
            Self::TooManyAttempts => {
                Failure::new(Code::Unavailable, "too many attempts").hint("try again in a minute")
            }
            Self::Unavailable => Failure::new(Code::Unavailable, "the platform's store does not answer")
                .hint("nothing was changed; try again later"),
        }
    }
}

impl From<AuthKeyError> for Instruction {
    fn from(error: AuthKeyError) -> Self {
        match error {
            AuthKeyError::Mistyped => Self::Mistyped,
            AuthKeyError::Version => Self::Version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_reads_back_as_its_instruction() {
        for instruction in Instruction::ALL {
            assert_eq!(Instruction::of_text(&format!("{}\r\n", instruction.text())), Some(instruction));
        }
        assert_eq!(Instruction::of_text("Something newer."), None);
    }
}
