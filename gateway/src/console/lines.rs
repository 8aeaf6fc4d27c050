//! What a person types at the console: lines, edited here where the client's terminal is raw.

use std::collections::VecDeque;

use bytes::Bytes;
use russh::ChannelMsg;
use spaces_protocol::failure::{Code, Failure};

use crate::ssh::ChannelParts;

/// Longest line typed.
const MAX_LINE: usize = 8 * 1024;

/// What came of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D on an empty line, the end of standard input, or the client is gone.
    End,
}

/// Input that has arrived and was not used yet.
pub(crate) struct Lines {
    pending: VecDeque<u8>,
    editor: Editor,
    input: Input,
}

/// Whether more can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// The client said so.
    Ended,
    /// The client went away.
    Cut,
}

/// A line being typed. Pure: bytes in, echo out.
#[derive(Debug, Default)]
struct Editor {
    line: Vec<u8>,
    after_cr: bool,
}

/// What one byte did to the line.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    /// Echo this and go on.
    Echo(String),
    Done(Prompt),
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { pending: VecDeque::new(), editor: Editor::default(), input: Input::Open }
    }

    /// Shows the question and reads one line.
    pub(crate) async fn ask(&mut self, parts: &mut ChannelParts, question: &str) -> Prompt {
        // Without a terminal standard output is for data alone.
        parts.stderr(question).await;
        let echo = parts.terminal.is_some();
        loop {
            while let Some(byte) = self.pending.pop_front() {
                match self.editor.typed(byte) {
                    Typed::Echo(text) if echo && !text.is_empty() => {
                        drop(parts.ssh.write.data_bytes(text.into_bytes()).await);
                    }
                    Typed::Echo(_) => {}
                    Typed::Done(prompt) => {
                        if echo {
                            parts.stdout("\n").await;
                        }
                        return prompt;
                    }
                }
            }
            match self.more(parts).await {
                Some(data) => self.pending.extend(data.iter()),
                None => return self.editor.end(),
            }
        }
    }

    /// Everything up to the end of standard input, as text. What a client left half said is not taken for all.
    pub(crate) async fn rest(&mut self, parts: &mut ChannelParts, limit: usize) -> Result<String, Failure> {
        let mut bytes: Vec<u8> = self.pending.drain(..).collect();
        while let Some(data) = self.more(parts).await {
            bytes.extend_from_slice(&data);
            if bytes.len() > limit {
                return Err(Failure::new(Code::Usage, "that is too much on standard input"));
            }
        }
        if self.input == Input::Cut {
            return Err(Failure::new(Code::Usage, "the connection ended before standard input did"));
        }
        String::from_utf8(bytes)
            .map_err(|_invalid| Failure::new(Code::Usage, "standard input is not valid UTF-8"))
    }

    /// The next piece of input.
    pub(crate) async fn more(&mut self, parts: &mut ChannelParts) -> Option<Bytes> {
        while self.input == Input::Open {
            match parts.ssh.read.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    parts.ssh.window.free(data.len());
                    return Some(data);
                }
                Some(ChannelMsg::Eof) => self.input = Input::Ended,
                Some(ChannelMsg::Close) | None => self.input = Input::Cut,
                Some(_) => {}
            }
        }
        None
    }
}

impl Editor {
    fn typed(&mut self, byte: u8) -> Typed {
        const ERASE: &str = "\u{8} \u{8}";
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => Typed::Echo(String::new()),
            b'\r' | b'\n' => Typed::Done(self.take()),
            3 => {
                self.line.clear();
                Typed::Done(Prompt::Interrupted)
            }
            4 if self.line.is_empty() => Typed::Done(Prompt::End),
            8 | 127 => Typed::Echo(if self.erase() { ERASE.to_owned() } else { String::new() }),
            21 => {
                let mut echo = String::new();
                while self.erase() {
                    echo.push_str(ERASE);
                }
                Typed::Echo(echo)
            }
            // Control characters, and lines longer than any command: not taken, not shown.
            0..=31 => Typed::Echo(String::new()),
            _ if self.line.len() >= MAX_LINE => Typed::Echo(String::new()),
            _ => {
                self.line.push(byte);
                Typed::Echo(self.whole_character())
            }
        }
    }

    /// The last character, once its last byte is here.
    fn whole_character(&self) -> String {
        let start = self.line.iter().rposition(|byte| byte & 0xC0 != 0x80).unwrap_or(0);
        let tail = self.line.get(start..).unwrap_or_default();
        str::from_utf8(tail).map(str::to_owned).unwrap_or_default()
    }

    /// Removes the last character; says whether there was one.
    fn erase(&mut self) -> bool {
        let start = self.line.iter().rposition(|byte| byte & 0xC0 != 0x80);
        self.line.truncate(start.unwrap_or(0));
        start.is_some()
    }

    fn take(&mut self) -> Prompt {
        Prompt::Line(String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned())
    }

    /// Input ended: what stands on the line counts as one.
    fn end(&mut self) -> Prompt {
        if self.line.is_empty() { Prompt::End } else { self.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(bytes: &[u8]) -> (String, Option<Prompt>) {
        let mut editor = Editor::default();
        let mut screen = String::new();
        for byte in bytes {
            match editor.typed(*byte) {
                Typed::Echo(text) => screen.push_str(&text),
                Typed::Done(prompt) => return (screen, Some(prompt)),
            }
        }
        (screen, None)
    }

    #[test]
    fn a_line_can_be_corrected_while_it_is_typed() {
        let line = |text: &str| Some(Prompt::Line(text.to_owned()));
        assert_eq!(type_in(b"list\r").1, line("list"));
        assert_eq!(type_in("lé\u{7f}ist\n".as_bytes()).1, line("list"));
        assert_eq!(type_in(b"wrong\x15list\r").1, line("list"));
        assert_eq!(type_in(b"wrong\x03").1, Some(Prompt::Interrupted));
        assert_eq!(type_in(b"\x04").1, Some(Prompt::End));
        assert_eq!(type_in(b"x\x04\r").1, line("x"));
    }

    #[test]
    fn escape_sequences_are_not_echoed_to_the_terminal() {
        assert_eq!(type_in(b"\x1b\x07a").0, "a");
    }

    #[test]
    fn a_line_has_an_end() {
        let (screen, done) = type_in(&[b'x'; 2 * MAX_LINE]);
        assert_eq!((screen.len(), done), (MAX_LINE, None));
    }
}
