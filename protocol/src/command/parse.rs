//! From words to commands, and from clap's errors to ours.

use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{ConsoleLine, Lifetime};
use crate::failure::{Code, Failure, shortened};

/// Longest line read: SSH would carry more, no command needs it.
const MAX_LINE: usize = 64 * 1024;

/// What a line of words turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A command.
    Command(T),
    /// The person asked for help: this text.
    Help(String),
}

/// Parses what somebody typed after `ssh spaces@host`.
///
/// Not UTF-8, NUL, unbalanced quotes and unknown words are all [`Code::Usage`].
pub fn parse_console_line(line: &[u8]) -> Result<Parsed<ConsoleLine>, Failure> {
    if line.len() > MAX_LINE {
        return Err(Failure::new(Code::Usage, "the command is too long"));
    }
    let text = str::from_utf8(line)
        .map_err(|_invalid| Failure::new(Code::Usage, "the command is not valid UTF-8"))?;
    if text.contains('\0') {
        return Err(Failure::new(Code::Usage, "the command has a NUL byte in it"));
    }
    let words = shell_words::split(text)
        .map_err(|_unbalanced| Failure::new(Code::Usage, "the command has a quote that is not closed"))?;
    match ConsoleLine::try_parse_from(std::iter::once("spaces".to_owned()).chain(words)) {
        Ok(line) => Ok(Parsed::Command(line)),
        Err(error) => usage_failure(&error).map(Parsed::Help),
    }
}

/// What clap has to say, in our form: help text is `Ok`, everything else one line and a hint.
pub fn usage_failure(error: &clap::Error) -> Result<String, Failure> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "clap's enum is open; all its other kinds read alike")]
    let message = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Ok(error.render().to_string());
        }
        ErrorKind::InvalidSubcommand => {
            format!("no command named `{}`", context(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "which command?".to_owned()
        }
        ErrorKind::UnknownArgument => {
            format!("`{}` is not known here", context(error, ContextKind::InvalidArg))
        }
        ErrorKind::ValueValidation => source(error),
        ErrorKind::InvalidValue if !context(error, ContextKind::InvalidValue).is_empty() => {
            let (value, argument) =
                (context(error, ContextKind::InvalidValue), context(error, ContextKind::InvalidArg));
            format!("`{value}` is not a value of `{argument}`")
        }
        _ => first_line(error),
    };
    Err(Failure::new(Code::Usage, shortened(&message, 200)).hint(way_forward(error)))
}

fn way_forward(error: &clap::Error) -> String {
    let suggestion =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
            .into_iter()
            .map(|kind| context(error, kind))
            .find(|text| !text.is_empty());
    if let Some(suggestion) = suggestion {
        return format!("did you mean `{suggestion}`?");
    }
    let valid = context(error, ContextKind::ValidValue);
    if !valid.is_empty() {
        return format!("one of: {valid}");
    }
    "`help` lists the commands, `COMMAND --help` tells about one".to_owned()
}

/// A piece of what clap knows of the error, shortened: it may hold whatever was typed.
fn context(error: &clap::Error, kind: ContextKind) -> String {
    let text = match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    shortened(&text, 60)
}

fn source(error: &clap::Error) -> String {
    let argument = context(error, ContextKind::InvalidArg);
    match std::error::Error::source(error) {
        Some(source) => format!("{argument}: {source}"),
        None => first_line(error),
    }
}

fn first_line(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let paragraph = rendered.split("\n\n").next().unwrap_or_default();
    let joined = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.trim_start_matches("error: ").to_owned()
}

/// A minute to a year, as `30m`, `12h`, `7d`.
pub(super) fn lifetime(text: &str) -> Result<Lifetime, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_malformed| "a time is written 30m, 12h or 7d".to_owned())?;
    let year = Duration::from_hours(366 * 24);
    if (Duration::from_mins(1)..=year).contains(&duration) {
        Ok(Lifetime(duration))
    } else {
        Err("an auth key lives from a minute to a year".to_owned())
    }
}

impl TryFrom<String> for Lifetime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        lifetime(&text)
    }
}

impl From<Lifetime> for String {
    fn from(lifetime: Lifetime) -> Self {
        humantime::format_duration(lifetime.0).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::{Command, ConsoleCommand, SpaceCommand};

    fn failure(line: &str) -> String {
        parse_console_line(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_line_becomes_a_command() {
        let Parsed::Command(line) = parse_console_line(b"space up --space 'my-room' --json").unwrap() else {
            panic!("not a command");
        };
        assert!(line.json);
        assert!(matches!(line.command, ConsoleCommand::Shared(Command::Space(SpaceCommand::Up(_)))));
    }

    #[test]
    fn wrong_usage_names_the_word_and_a_way_forward() {
        assert_eq!(failure("lst"), "error: no command named `lst`\nhint: did you mean `list`?\n");
        assert_eq!(
            failure("space up --spce x"),
            "error: `--spce` is not known here\nhint: did you mean `--space`?\n"
        );
        assert!(failure("space up").contains("--space"), "{}", failure("space up"));
        assert!(
            failure("space up --space Bad_Name").contains("exact name"),
            "{}",
            failure("space up --space Bad_Name")
        );
        assert!(failure("admin issue-key a@b.c --role boss").contains("one of: admin, member"));
    }

    #[test]
    fn a_line_that_is_no_text_is_refused_in_words() {
        let message = |line: &[u8]| parse_console_line(line).unwrap_err().message;
        assert_eq!(message(b"list \xff"), "the command is not valid UTF-8");
        assert_eq!(message(b"list 'x"), "the command has a quote that is not closed");
        assert_eq!(message(b"list \0"), "the command has a NUL byte in it");
        assert_eq!(message(&vec![b'x'; MAX_LINE + 1]), "the command is too long");
    }

    #[test]
    fn ten_thousand_characters_do_not_come_back() {
        assert!(failure(&format!("space up --space {}", "a".repeat(10_000))).len() < 400);
        assert!(failure(&"x".repeat(10_000)).len() < 400);
    }

    #[test]
    fn help_is_help_and_no_error() {
        for line in ["help", "--help", "space --help", "help space up"] {
            assert!(matches!(parse_console_line(line.as_bytes()), Ok(Parsed::Help(_))), "{line}");
        }
    }

    #[test]
    fn a_command_survives_json() {
        let Parsed::Command(line) =
            parse_console_line(b"admin issue-key A@b.c --role member --space sp_3 --expires 7d").unwrap()
        else {
            panic!("not a command");
        };
        let ConsoleCommand::Shared(command) = line.command else { panic!("not shared") };
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(
            json,
            r#"{"admin":{"issue-key":{"email":"a@b.c","role":"member","space":"sp_3","expires":"7days"}}}"#
        );
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse_console_line(&line));
        }

        #[test]
        fn no_words_make_the_grammar_panic(line in "(list|space|up|down|delete|key|add|admin|connect|login|--space|--json|--|-y|sp_1|a@b|'| ){0,12}") {
            drop(parse_console_line(line.as_bytes()));
        }
    }
}
