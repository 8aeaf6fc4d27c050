//! Executable documents, as the specdown tool understands them: markdown whose `run:shell` blocks are run.
//!
//! ```text
//! run:shell              a script, which must succeed
//! run:shell -> $a, $b    the same; the last lines of its output are ${a} and ${b} in later blocks
//! lines like `$ COMMAND` each a command of its own; the lines under it are its exact output,
//!                        `...` stands for any lines, and `$ ! COMMAND` must fail
//! > teardown             a quote: the next block runs at the end, whatever happened before
//! ```
//!
//! Output is standard output, as specdown takes it: news on standard error comes when something takes long, so a
//! document that is about an error says `2>&1`. This module reads; `run` runs; `environment` is where.

mod environment;
mod output;
mod run;
mod text;

pub use environment::Environment;
pub use output::Expected;
pub use run::{Failure, Place, follow};
pub use text::{Variables, substitute};

use std::ops::Range;
use std::time::Duration;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Longest that a block may take whose document does not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// A document that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What runs, in order.
    pub blocks: Vec<Block>,
    /// Longest that one script or command may take: `timeout` of the front matter, in milliseconds there.
    pub patience: Duration,
}

/// A fenced block that is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Line of its fence in the document.
    pub line: usize,
    /// When it is its turn.
    pub when: When,
    /// What there is to do.
    pub body: Body,
}

/// When a block runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After those above it.
    InTurn,
    /// At the end, whatever happened before.
    AtTheEnd,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A script that must succeed, and the names that the last lines of its output get.
    Script {
        /// For the shell.
        script: String,
        /// Names of variables.
        captures: Vec<String>,
    },
    /// Commands and what they must answer.
    Session(Vec<Step>),
}

/// A command and what it must answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its line in the document.
    pub line: usize,
    /// For the shell.
    pub command: String,
    /// How it must end.
    pub ending: Ending,
    /// What it must print.
    pub expected: Vec<String>,
}

/// How a command must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With status 0.
    Success,
    /// With any other that is its own: the shell's 126 and 127 mean that it never ran.
    Failure,
}

/// Why a document cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where.
    pub line: usize,
    /// What is the matter.
    pub problem: String,
}

impl Document {
    /// Reads a document. One that runs nothing is malformed: it would pass whatever the product does.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader { text, blocks: Vec::new(), patience: PATIENCE, teardown: None };
        let mut inside = Inside::Prose;
        let events = Parser::new_ext(text, Options::ENABLE_YAML_STYLE_METADATA_BLOCKS).into_offset_iter();
        for (event, range) in events {
            inside = reader.read(inside, event, range)?;
        }
        if let Some(line) = reader.teardown {
            return Err(malformed(line, "no block follows this `> teardown`"));
        }
        if reader.blocks.is_empty() {
            return Err(malformed(1, "nothing to run in here"));
        }
        Ok(Self { blocks: reader.blocks, patience: reader.patience })
    }
}

/// What the text under the cursor belongs to.
enum Inside {
    Prose,
    FrontMatter,
    Quote { line: usize, text: String },
    Fence { line: usize, info: String, code: String },
}

struct Reader<'a> {
    text: &'a str,
    blocks: Vec<Block>,
    patience: Duration,
    teardown: Option<usize>,
}

impl Reader<'_> {
    fn read(&mut self, inside: Inside, event: Event<'_>, range: Range<usize>) -> Result<Inside, Malformed> {
        Ok(match (inside, event) {
            (_, Event::Start(Tag::MetadataBlock(_))) => Inside::FrontMatter,
            (Inside::FrontMatter, Event::Text(text)) => {
                self.front_matter(&text)?;
                Inside::FrontMatter
            }
            (_, Event::Start(Tag::BlockQuote(_))) => {
                Inside::Quote { line: self.line(range.start), text: String::new() }
            }
            (Inside::Quote { line, text }, Event::Text(more)) => Inside::Quote { line, text: text + &more },
            (Inside::Quote { line, text }, Event::End(TagEnd::BlockQuote(_))) => {
                self.quote(line, &text)?;
                Inside::Prose
            }
            (_, Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info)))) => Inside::Fence {
                line: self.line(range.start),
                info: info.trim().to_owned(),
                code: String::new(),
            },
            (Inside::Fence { line, info, code }, Event::Text(more)) => {
                Inside::Fence { line, info, code: code + &more }
            }
            (Inside::Fence { line, info, code }, Event::End(TagEnd::CodeBlock)) => {
                self.fence(line, &info, &code)?;
                Inside::Prose
            }
            (_, Event::End(TagEnd::MetadataBlock(_))) => Inside::Prose,
            (inside, _) => inside,
        })
    }

    fn line(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }

    fn front_matter(&mut self, text: &str) -> Result<(), Malformed> {
        let Some(value) = text.lines().find_map(|line| line.strip_prefix("timeout:")) else {
            return Ok(());
        };
        let milliseconds = value.trim().parse();
        self.patience = milliseconds
            .map(Duration::from_millis)
            .map_err(|error| malformed(1, format!("timeout: {error}")))?;
        Ok(())
    }

    /// Other quotes are prose, unless they are a directive of specdown's that nothing here would obey.
    fn quote(&mut self, line: usize, text: &str) -> Result<(), Malformed> {
        match text.trim() {
            "teardown" => self.teardown = Some(line),
            "setup" | "setup:each" | "teardown:each" => {
                return Err(malformed(line, "of the directives only `> teardown` is understood"));
            }
            _prose => {}
        }
        Ok(())
    }

    fn fence(&mut self, line: usize, info: &str, code: &str) -> Result<(), Malformed> {
        let (kind, captures) = match info.split_once("->") {
            Some((kind, names)) => (kind.trim(), names.split(',').map(str::trim).collect()),
            None => (info, Vec::new()),
        };
        if kind != "run:shell" {
            // An example to read has a plain language; anything else is a slip that would not be run.
            let run = kind.contains(':') || !captures.is_empty();
            return if run { Err(malformed(line, format!("not a kind of block: `{info}`"))) } else { Ok(()) };
        }
        let captures =
            captures.into_iter().map(|name| variable(line, name)).collect::<Result<Vec<_>, _>>()?;
        let when = self.teardown.take().map_or(When::InTurn, |_quote| When::AtTheEnd);
        self.blocks.push(Block { line, when, body: body(line, code, captures)? });
        Ok(())
    }
}

fn malformed(line: usize, problem: impl Into<String>) -> Malformed {
    Malformed { line, problem: problem.into() }
}

fn variable(line: usize, name: &str) -> Result<String, Malformed> {
    let name = name.strip_prefix('$').filter(|name| text::is_name(name));
    name.map(str::to_owned).ok_or_else(|| malformed(line, "variables are written `$name`"))
}

fn body(line: usize, code: &str, captures: Vec<String>) -> Result<Body, Malformed> {
    if code.trim().is_empty() {
        return Err(malformed(line, "nothing to run in here"));
    }
    if !code.lines().any(|code| code.starts_with("$ ")) {
        return Ok(Body::Script { script: code.to_owned(), captures });
    }
    if !captures.is_empty() {
        return Err(malformed(line, "only a script keeps variables"));
    }
    let mut steps: Vec<Step> = Vec::new();
    for (number, code) in (line + 1..).zip(code.lines()) {
        match (code.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(step(number, command)),
            (None, Some(step)) => step.expected.push(code.to_owned()),
            (None, None) if code.trim().is_empty() => {}
            (None, None) => return Err(malformed(number, "output of no command")),
        }
    }
    Ok(Body::Session(steps))
}

fn step(line: usize, command: &str) -> Step {
    let (command, ending) = match command.strip_prefix("! ") {
        Some(command) => (command, Ending::Failure),
        None => (command, Ending::Success),
    };
    Step { line, command: command.to_owned(), ending, expected: Vec::new() }
}

#[cfg(test)]
mod tests;
