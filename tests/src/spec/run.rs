//! Runs a document in a folder, each script and each command in a shell of its own, and stops at the first that
//! is not as the document says. Teardown runs in any case, and it too must succeed.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Block, Body, Document, Ending, Expected, Step, Variables, When, substitute};
use crate::child::{self, Output, timeout_command};

/// Where a document runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// The working directory.
    pub folder: PathBuf,
    /// What its shells see beside `PATH`.
    pub environment: Vec<(String, String)>,
}

/// The place in a document that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub line: usize,
    /// What was expected and what came.
    pub report: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.report)
    }
}

/// Runs it all; gives what does not hold.
pub fn follow(document: &Document, place: &Place) -> Vec<Failure> {
    let mut shell = Shell { place, patience: document.patience, variables: Variables::new() };
    let mut failures = Vec::new();
    let in_turn = document.blocks.iter().filter(|block| block.when == When::InTurn);
    failures.extend(in_turn.map(|block| shell.block(block)).find_map(Result::err));
    let at_the_end = document.blocks.iter().filter(|block| block.when == When::AtTheEnd);
    failures.extend(at_the_end.filter_map(|block| shell.block(block).err()));
    failures
}

struct Shell<'a> {
    place: &'a Place,
    patience: Duration,
    variables: Variables,
}

impl Shell<'_> {
    fn block(&mut self, block: &Block) -> Result<(), Failure> {
        match &block.body {
            Body::Script { script, captures } => self.script(block.line, script, captures),
            Body::Session(steps) => steps.iter().try_for_each(|step| self.step(step)),
        }
    }

    fn script(&mut self, line: usize, script: &str, captures: &[String]) -> Result<(), Failure> {
        let output = self.run(line, script)?;
        if output.status != 0 {
            return Err(Failure { line, report: format!("the script failed\n{}", told(&output)) });
        }
        let lines: Vec<&str> = output.stdout.lines().collect();
        let Some(last) = lines.len().checked_sub(captures.len()) else {
            let report = format!("{} lines of output were to be kept\n{}", captures.len(), told(&output));
            return Err(Failure { line, report });
        };
        let kept = captures.iter().cloned().zip(lines[last..].iter().map(|&line| line.to_owned()));
        self.variables.extend(kept);
        Ok(())
    }

    fn step(&self, step: &Step) -> Result<(), Failure> {
        let line = step.line;
        let output = self.run(line, &step.command)?;
        let ended = match step.ending {
            Ending::Success => output.status == 0,
            Ending::Failure => !matches!(output.status, 0 | 124 | 126 | 127),
        };
        let expected =
            step.expected.iter().map(|text| self.substitute(line, text)).collect::<Result<Vec<_>, _>>()?;
        let expected = Expected::new(&expected);
        if ended && expected.matches(&output.stdout) {
            return Ok(());
        }
        let wanted = match step.ending {
            Ending::Success => "to succeed",
            Ending::Failure => "to fail",
        };
        let difference = expected.difference(&output.stdout);
        let report = format!("`{}`, which was {wanted}\n{difference}{}", step.command, told(&output));
        Err(Failure { line, report })
    }

    fn run(&self, line: usize, script: &str) -> Result<Output, Failure> {
        let script = self.substitute(line, script)?;
        let mut command =
            timeout_command("sh", u32::try_from(self.patience.as_secs().max(1)).unwrap_or(u32::MAX));
        command.args(["-ec", &script]).current_dir(&self.place.folder);
        Ok(child::run(self.surround(&mut command), b""))
    }

    /// Nothing of the surroundings but where programs are: a document must not hold on one machine only.
    fn surround<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path);
        command.envs(self.place.environment.iter().map(|(name, value)| (name, value)))
    }

    fn substitute(&self, line: usize, text: &str) -> Result<String, Failure> {
        substitute(text, &self.variables)
            .map_err(|name| Failure { line, report: format!("no block above kept ${{{name}}}") })
    }
}

/// The rest of what is to know about a command that ran.
fn told(output: &Output) -> String {
    let mut text = format!("exit status {}", output.status);
    if output.status == 124 {
        text.push_str(" (it took too long)");
    }
    if !output.stderr.is_empty() {
        text.push_str("\nstandard error:\n");
        text.push_str(output.stderr.trim_end());
    }
    text
}

#[cfg(test)]
mod tests;
