//! The Docker Engine's API with nothing around it: what a bare create and start costs.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

/// Longest that the engine may be silent.
const SILENCE: Duration = Duration::from_mins(1);

/// A local engine.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) socket: PathBuf,
}

impl Engine {
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, &body.to_string())
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.call("DELETE", path, "").map(drop)
    }

    /// One request on a connection of its own. HTTP 1.0, so that the answer ends where the connection does.
    fn call(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let mut stream = UnixStream::connect(&self.socket).context("the engine's socket")?;
        stream.set_read_timeout(Some(SILENCE))?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).with_context(|| format!("{method} {path}"))?;
        parse(&answer).with_context(|| format!("{method} {path}"))
    }
}

/// The body of a good answer, or what a bad one complains of.
fn parse(answer: &str) -> anyhow::Result<Value> {
    let (head, body) = answer.split_once("\r\n\r\n").context("not HTTP")?;
    let status: u16 =
        head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    anyhow::ensure!((200..300).contains(&status), "{status}: {}", body.trim());
    if body.trim().is_empty() { Ok(Value::Null) } else { serde_json::from_str(body).context("not JSON") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_body_or_its_complaint() {
        assert_eq!(parse("HTTP/1.0 201 Created\r\nA: b\r\n\r\n{\"Id\":\"x\"}").unwrap()["Id"], "x");
        assert_eq!(parse("HTTP/1.0 204 No Content\r\n\r\n").unwrap(), Value::Null);
        let error = parse("HTTP/1.0 409 Conflict\r\n\r\n{\"message\":\"taken\"}\n").unwrap_err();
        assert_eq!(error.to_string(), "409: {\"message\":\"taken\"}");
    }
}
