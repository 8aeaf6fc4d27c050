//! The `spaces` subsystem: one JSON object a line. docs/protocol.md is this file for other programs.
//!
//! ```text
//! -> {"version":1,"id":1,"command":{"space":{"up":{"space":"my-room"}}}}
//! <- {"id":1,"progress":"starting the space"}                     any number
//! <- {"id":1,"status":0,"stdout":"...","stderr":"","data":{...}}  one, and it ends the request
//! <- {"id":1,"status":2,"error":{"code":"usage","message":"..."}}
//! ```

use serde::{Deserialize, Serialize};

use crate::command::{Command, ConnectArguments, LoginArguments};
use crate::failure::{Code, Failure};
use crate::reply::Reply;

/// Spoken version.
pub const VERSION: u32 = 1;

/// Name of the subsystem.
pub const SUBSYSTEM: &str = "spaces";

/// Longest request line, in bytes.
pub const MAX_LINE: usize = 1024 * 1024;

/// Longest answer line that a client takes, in bytes: a table of everything a platform has fits.
pub const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// Chosen by the asker, repeated in every answer.
    pub id: u64,
    /// What to do.
    #[serde(deserialize_with = "command")]
    pub command: RequestCommand,
}

/// What the subsystem understands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestCommand {
    /// Register the key that this connection proved, and redeem the auth key it logged in with.
    Login(LoginArguments),
    /// Make sure that a Space can be entered, and tell which login name enters it.
    Connect(ConnectArguments),
    /// Everything else.
    #[serde(untagged)]
    Shared(Command),
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// News while it runs.
    Progress {
        /// The request's id.
        id: u64,
        /// One lower-case sentence.
        progress: String,
    },
    /// It did not succeed.
    Failed {
        /// The request's id.
        id: u64,
        /// The exit status.
        status: u8,
        /// Why.
        error: Failure,
    },
    /// It succeeded.
    Done {
        /// The request's id.
        id: u64,
        /// 0.
        status: u8,
        /// Text for standard output.
        stdout: String,
        /// Text for standard error.
        stderr: String,
        /// What `--json` prints.
        data: serde_json::Value,
    },
}

impl Answer {
    /// The last line of an answer.
    #[must_use]
    pub fn of(id: u64, outcome: Result<Reply, Failure>) -> Self {
        match outcome {
            Ok(reply) => {
                let text = reply.to_text();
                Self::Done { id, status: 0, stdout: text.stdout, stderr: text.stderr, data: reply.to_json() }
            }
            Err(error) => Self::Failed { id, status: error.code.exit_status(), error },
        }
    }

    /// The line, with its newline.
    #[must_use]
    pub fn to_line(&self) -> String {
        // These types always serialise; an empty line would be skipped by the reader.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// Why a line is not answered as a request.
#[derive(Debug)]
pub struct Refusal {
    /// The request's id, as far as it could be read; else 0.
    pub id: u64,
    /// What is wrong.
    pub failure: Failure,
}

/// Parses a request line.
pub fn parse_request(line: &[u8]) -> Result<Request, Refusal> {
    let malformed = |id, error: serde_json::Error| Refusal {
        id,
        failure: Failure::new(Code::Usage, format!("that is not a request: {error}"))
            .hint("docs/protocol.md has the requests"),
    };
    let request: serde_json::Value = serde_json::from_slice(line).map_err(|error| malformed(0, error))?;
    let id = request.get("id").and_then(serde_json::Value::as_u64).unwrap_or_default();
    // Before the rest: another version may look different.
    if let Some(version) = request.get("version").and_then(serde_json::Value::as_u64)
        && version != u64::from(VERSION)
    {
        let failure = Failure::new(Code::Usage, format!("protocol version {version} is not spoken here"))
            .hint(format!("this gateway speaks version {VERSION}"));
        return Err(Refusal { id, failure });
    }
    serde_json::from_value(request).map_err(|error| malformed(id, error))
}

/// By the command's name: an untagged enum could only say that none of its variants fits.
fn command<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<RequestCommand, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Own {
        Login(LoginArguments),
        Connect(ConnectArguments),
    }
    let value = serde_json::Value::deserialize(deserializer)?;
    let own = ["login", "connect"].iter().any(|name| value.get(name).is_some());
    let command = if own {
        serde_json::from_value(value).map(|own| match own {
            Own::Login(arguments) => RequestCommand::Login(arguments),
            Own::Connect(arguments) => RequestCommand::Connect(arguments),
        })
    } else {
        serde_json::from_value(value).map(RequestCommand::Shared)
    };
    command.map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_read_as_the_documentation_says() {
        let line = br#"{"version":1,"id":1,"command":{"space":{"up":{"space":"my-room"}}}}"#;
        assert!(matches!(parse_request(line).unwrap().command, RequestCommand::Shared(Command::Space(_))));
        let line = br#"{"version":1,"id":2,"command":"list"}"#;
        assert!(matches!(parse_request(line).unwrap().command, RequestCommand::Shared(Command::List)));
        let line = br#"{"version":1,"id":3,"command":{"login":{}}}"#;
        assert!(matches!(parse_request(line).unwrap().command, RequestCommand::Login(_)));
    }

    #[test]
    fn another_version_and_unknown_words_are_usage_errors() {
        for line in [
            r#"{"version":2,"id":1,"command":"list"}"#,
            r#"{"version":1,"id":1,"command":"lst"}"#,
            r#"{"version":1,"id":1,"command":"list","extra":1}"#,
            r#"{"version":1,"id":1,"command":{"space":{"up":{"space":"Not A Name"}}}}"#,
            "",
        ] {
            assert_eq!(parse_request(line.as_bytes()).unwrap_err().failure.code, Code::Usage, "{line}");
        }
    }

    #[test]
    fn a_refusal_carries_the_id_and_names_what_is_wrong() {
        let refusal = parse_request(br#"{"version":1,"id":7,"command":"lst"}"#).unwrap_err();
        assert_eq!(refusal.id, 7);
        assert!(refusal.failure.message.contains("`lst`"), "{}", refusal.failure.message);
        assert_eq!(parse_request(br#"{"version":9,"id":8}"#).unwrap_err().id, 8);
        assert_eq!(parse_request(b"no JSON").unwrap_err().id, 0);
    }

    #[test]
    fn an_answer_reads_back() {
        let failure = Failure::new(Code::NotFound, "no space named `x`").hint("look");
        let line = Answer::of(4, Err(failure)).to_line();
        assert_eq!(
            line,
            "{\"id\":4,\"status\":1,\"error\":{\"code\":\"not_found\",\"message\":\"no space named `x`\",\"hint\":\"look\"}}\n"
        );
        assert!(matches!(serde_json::from_str(&line).unwrap(), Answer::Failed { id: 4, .. }));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse_request(&line));
        }
    }
}
